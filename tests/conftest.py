import runpy
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[1]


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


class Wildcards(dict):
    def __getattr__(self, name):
        return self[name]


@pytest.fixture
def run_script(tmp_path):
    """Run a rule's script as Snakemake does, with a mock of its `snakemake` object."""

    def run(script, *, input=(), output=(), params=None, wildcards=None, threads=1, mem_mb=4000):  # noqa: A002
        def items(given):
            return Items(**given) if isinstance(given, dict) else Items(*map(str, given))

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
    """Copy the project to `target`, with what numba has compiled of it already."""
    skipped = shutil.ignore_patterns(".git", ".venv", ".snakemake", "results", "logs", ".*cache", "tests")
    shutil.copytree(ROOT, target, ignore=skipped)
    return target
