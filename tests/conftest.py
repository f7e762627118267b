import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock

from lm_saturation.io.checksums import TIMESTAMP

TIME = re.compile(rb'<section id="time".*?</section>', re.DOTALL)
ROOT = Path(__file__).resolve().parents[1]
RESOURCES = ROOT / "src" / "lm_saturation" / "resources"  # published tables

SLOW = 120  # seconds


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    """Name slow tests as they end: a run that is stopped then says what it was at."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")

    class Slow:
        def pytest_runtest_logreport(self, report):
            if report.duration > SLOW and terminal:
                terminal.write_line(f" {report.duration:.0f} s: {report.nodeid} ({report.when})")

    config.pluginmanager.register(Slow(), "slow-tests")


@pytest.fixture(scope="module", autouse=True)
def flushed_no_longer():
    """Training flushes subnormal numbers to zero in its process, which other tests must not see."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


class Items(list):
    """Like Snakemake's input and output: positions and names."""

    def __init__(self, *positional, **named):
        super().__init__([*positional, *named.values()])
        self.__dict__.update(named)

    def items(self):
        return self.__dict__.items()


class Wildcards(dict):
    def __getattr__(self, name):
        return self[name]


@pytest.fixture
def run_script(tmp_path):
    """Run a rule's script as Snakemake does, with a mock of its `snakemake` object."""

    def run(script, *, input=(), output=(), params=None, wildcards=None, threads=1, mem_mb=4000):  # noqa: A002
        def items(files):
            return Items(**files) if isinstance(files, dict) else Items(*map(str, files))

        log = tmp_path / "script.log"
        mock = SimpleNamespace(
            input=items(input),
            output=items(output),
            params=SimpleNamespace(**(params or {})),
            wildcards=Wildcards(wildcards or {}),
            threads=threads,
            resources=SimpleNamespace(mem_mb=mem_mb),
            log=str(log),
        )
        runpy.run_path(str(ROOT / "scripts" / script), {"snakemake": mock}, "__main__")
        return log.read_text(encoding="utf-8")

    return run


@pytest.fixture
def project(tmp_path):
    """A copy of the project, without results."""
    return copy_project(tmp_path / "project")


def copy_project(target):
    """Copy the project to `target`, with what numba has compiled of it already, and link the published model."""
    skipped = shutil.ignore_patterns(".git", ".venv", ".snakemake", "results", "logs", ".*cache", "tests")
    shutil.copytree(ROOT, target, ignore=skipped)
    if (models := ROOT / ".venv/models").exists():
        (target / ".venv").mkdir()
        (target / ".venv/models").symlink_to(models)
    return target


def heed_interrupts():
    """For a new process: tests that a shell started in the background ignore SIGINT, and so would their children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


SMOKE = ["--configfile", "config/smoke.yaml"]


def snakemake(project, *arguments, check=True, **options):
    """Run Snakemake in the project. Gives what it printed."""
    command = [sys.executable, "-m", "snakemake", *arguments]
    result = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, **options)
    if check and result.returncode:
        raise AssertionError(result.stdout + result.stderr)
    return result.stdout + result.stderr


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """A copy of the project in which the smoke configuration has been run, once for all tests: look, do not touch."""
    return made_once(tmp_path_factory, "undisturbed", lambda project: snakemake(project, "--cores", "2", *SMOKE))


def made_once(tmp_path_factory, name, work):
    """A copy of the project in which `work` was done, once for all processes of a test run."""
    base = tmp_path_factory.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base  # which the processes share
    project, done = folder / name, folder / f"{name}.done"
    with FileLock(folder / f"{name}.lock"):
        if not done.exists():
            shutil.rmtree(project, ignore_errors=True)
            copy_project(project)
            work(project)
            done.touch()
    return project


def copy_results(finished, target, *kept):
    """Copy a project in which the smoke configuration was run, but of its results only these folders."""
    results = Path("results") / "smoke"
    shutil.copytree(finished, target, ignore=lambda folder, _: [results.name] * (Path(folder).name == "results"))
    for folder in kept:
        shutil.copytree(finished / results / folder, target / results / folder)
    return target


def results_of(project, below="results"):
    """Every file of the results by name, with its bytes.

    The report says how long jobs took, which is never twice the same: it is compared without that section, and its
    checksum not at all. Nor is the mark that Snakemake sets in a folder: a Snakemake that dies while it cleans up after
    a job that was killed has noted the job as finished, and the mark never comes. It then goes by the folder's time.
    """
    files = (path for path in sorted((project / below).rglob("*")) if path.is_file() and path.name != TIMESTAMP)
    contents = {str(path.relative_to(project)): path.read_bytes() for path in files}
    timeless = {name: TIME.sub(b"", data) if name.endswith("report.html") else data for name, data in contents.items()}
    return {name: data for name, data in timeless.items() if not name.endswith(".report.html.sha256")}
