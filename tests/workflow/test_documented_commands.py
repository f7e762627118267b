"""Every command and every block of code in README.md and on the pages of docs/ works, each by a test of its own.

A command is a line of a block marked sh, or inline code that begins with one of PROGRAMS. It is run in a copy of the
project in which the smoke configuration is the default and has been run, so that most find their work done; where it
needs a hub, a GPU or a cluster, its plan is made instead; where its program is not here, it is skipped. WAYS says
which. A command without a way fails.
"""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
import yaml
from snakemake.utils import update_config

from lm_saturation.config import read_experiment
from tests.conftest import ROOT, SMOKE

FOLLOWED = {  # by tests of their own, from the first line to the last
    "extending.md",  # tests/workflow/test_extending.py
    "probe.md",  # tests/probing/test_page.py
}
DOCS = sorted(path for path in (ROOT / "docs").glob("*.md") if path.name not in FOLLOWED)
PAGES = ["README.md", *(str(path.relative_to(ROOT)) for path in DOCS)]
PROGRAMS = r"(?:(?:make|(?:\.venv/bin/)?(?:snakemake|python -m)|docker|apptainer|pip install) |git clone)"
# What the pages say of the default configuration, and what the smoke configuration has in its place
SMALLER = {"bpe-32k/5/100000": "bpe-1k/5/5000", "bpe-4k": "bpe-1k", ">= 100": ">= 5"}


def blocks(page):
    """Every fenced block of a page: its language, its lines, and the number of the first."""
    lines, found, opened = (ROOT / page).read_text(encoding="utf-8").splitlines(), [], None
    for number, line in enumerate(lines, 1):
        if opened is None and line.lstrip().startswith("```"):
            opened = line.strip().strip("`"), number + 1, []
        elif opened is not None and line.strip() == "```":
            found.append((opened[0], opened[2], opened[1]))
            opened = None
        elif opened is not None:
            opened[2].append(line)
    return found


def inline(page):
    """Every inline code of a page that is a command, with the number of its line."""
    inside = {first + offset for _, lines, first in blocks(page) for offset in range(len(lines))}
    for number, line in enumerate((ROOT / page).read_text(encoding="utf-8").splitlines(), 1):
        if number not in inside:
            yield from ((code, number) for code in re.findall(r"`([^`]+)`", line) if re.match(PROGRAMS, code))


def commands():
    """Every command with the places where it stands. The environment's programs come first in PATH, named so or not."""
    found = {}
    for page in PAGES:
        shell = [
            (command.strip(), first + offset)
            for language, lines, first in blocks(page)
            if language == "sh"
            for offset, command in enumerate(lines)
        ]
        for command, number in [*shell, *inline(page)]:
            if command and not command.startswith("#"):
                found.setdefault(command.replace(".venv/bin/", ""), []).append(f"{page}:{number}")
    return found


COMMANDS = commands()
TARGETS = {match[1] for command in COMMANDS if (match := re.fullmatch(r"snakemake --cores all (\w+)", command))}


@pytest.fixture(scope="module")
def home(undisturbed, tmp_path_factory):
    """A copy of the project whose default is the smoke configuration, run already, as `make run` leaves it."""
    home = tmp_path_factory.mktemp("documented") / "project"
    shutil.copytree(undisturbed, home, symlinks=True)  # the published model is one
    config, smoke = (yaml.safe_load((home / path).read_text()) for path in ("config.yaml", SMOKE[1]))
    del smoke["pathvars"]
    update_config(config, smoke)
    (home / "config.yaml").write_text(yaml.safe_dump(config))
    for folder in ("results", "logs"):
        (home / folder / "smoke").rename(home / "its")
        (home / folder).rmdir()
        (home / "its").rename(home / folder)
    environment = home / ".venv"  # the one that the tests run in
    environment.mkdir(exist_ok=True)
    for path in Path(sys.prefix).iterdir():
        if path.name in {"bin", "lib", "lib64", "include", "share", "pyvenv.cfg"}:
            (environment / path.name).symlink_to(path)
    for stamp in ("run", "dev", "cluster"):
        (environment / stamp).touch()
    return home


def run(home, command, **variables):
    """What a command printed, which must succeed."""
    environment = {**os.environ, "PATH": f"{home / '.venv' / 'bin'}:{os.environ['PATH']}", **variables}
    for name in ("PYTHONPATH", "MAKELEVEL", "MAKEFLAGS", "MFLAGS"):  # of the make that runs the tests
        environment.pop(name, None)
    result = subprocess.run(
        ["bash", "-c", command], cwd=home, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
    return result.stdout + result.stderr


def as_written(home, command):
    return run(home, command)


def plan_only(home, command):
    """Of a run that needs a hub, a GPU or a cluster: its plan."""
    assert re.search("^Job stats:|^Nothing to be done", run(home, f"{command} --dry-run"), re.MULTILINE)


def elsewhere(home, command):
    plan_only(home, command.replace("/scratch/me", "elsewhere"))


def own_text(home, command):
    """Minutes of work in all: its plan, and that the text is read."""
    plan_only(home, command)
    run(home, command.replace("--cores all", "--cores all results/own_text/corpus/text/mine/0.json"))
    assert (home / "results/own_text/corpus/text/mine/0.parquet").stat().st_size > 100_000


def one_core(home, command):
    return run(home, f"{command} --cores 1")


def made_already(home, command):
    """A target by name; all of them are planned at once, in `plan_of_targets`."""
    assert re.search(rf"^{command.split()[-1]} +1$", plan_of_targets(home), re.MULTILINE)


PLANNED = {}


def plan_of_targets(home):
    if home not in PLANNED:
        PLANNED[home] = run(home, f"snakemake --cores all --dry-run --force {' '.join(sorted(TARGETS))}")
    return PLANNED[home]


def make_run(home, command):
    output = run(home, command)
    assert "Nothing to be done" in output
    assert re.search(r"^took +\d+ s$", output, re.MULTILINE)


def make_report(home, command):
    assert run(home, command, BROWSER="true") == f"{home}/results/report.html\n"


def make_dry(home, command):
    """What would be installed, tested, timed or deleted is not."""
    run(home, command.replace("make", "make --dry-run", 1))


def slurm(home, command):
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("the plugin for SLURM is not installed: make cluster")
    plan_only(home, command)


def kubernetes(home, command):
    pytest.skip("there is no Kubernetes here; tests/cluster/test_kubernetes.py asks one that is made up")


def container(home, command):
    program = command.split()[0]
    if shutil.which(program) is None:
        pytest.skip(f"there is no {program} here: no image is built or run")
    if program == "docker" and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.skip("no daemon of docker runs here: no image is built or run")
    if not os.environ.get("SATURATION_IMAGES"):
        pytest.skip("an image takes long to build and run: with SATURATION_IMAGES=1 it is")
    run(home, command)


def benchmark(home, command):
    """It takes minutes to hours; that it is there, and is a program."""
    module = command.split()[2]
    compile((home / (module.replace(".", "/") + ".py")).read_text(), module, "exec")


def real_numbers(home, command):
    """Of the models of the smoke configuration, and not over what is shipped."""
    written = run(home, command.split(" > ")[0].replace("results/smollm2", "results"))
    assert written.splitlines()[0] == "model,quantity,rank,value,low,high,unit"
    assert {"cross_entropy_nats", "w_error", "cloze_accuracy"} <= {line.split(",")[1] for line in written.splitlines()}


def pip_plan(home, command):
    """tests/packaging/test_wheel.py installs the library; here, that pip can."""
    options = "--dry-run --quiet --no-deps --no-build-isolation"
    run(home, command.replace("pip install", f"python -m pip install {options}", 1))


def reruns(home, command):
    assert (ROOT / "tests/workflow/test_reruns.py").exists()
    pytest.skip("takes a minute; tests/workflow/test_reruns.py compares what it prints")


def cloned(home, command):
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git repository")
    run(home, f"git clone --quiet --no-checkout {shlex.quote(str(ROOT))} cloned")


def trained_numbers(home, command):
    """Of the models of the smoke configuration, against its tables."""
    written = run(home, command.split(" > ")[0])
    (home / "trained_here.csv").write_text(written)
    query = f"""
        with ends as (from '{home}/results/tables/saturation.csv'
                      union all by name from '{home}/results/tables/controls.csv')
        select count(*), count(loss_increase), max(abs(loss_increase - difference)),
               max(abs(here.anisotropy - metrics.anisotropy))
        from '{home}/trained_here.csv' here
        join '{home}/results/metrics/*/*/*/checkpoint_metrics.parquet' metrics using (suite, model, step)
        join ends using (suite, model)
        where step >= 0.05 * final_step
    """
    ((rows, ends, *differences),) = duckdb.sql(query).fetchall()
    assert (rows, ends) == (len(written.splitlines()) - 1, 4)
    assert max(differences) < 1e-4


WAYS = [  # the first that fits
    (r"make run", make_run),
    (r"make report", make_report),
    (r"make help", as_written),
    (r"make (?:evidence|real|test|check|docs|bench|cluster|clean|requirements|run PYTHON=.*)", make_dry),
    (r"snakemake --cores all \w+", made_already),
    (r".*snakemake .*profiles/kubernetes.*", kubernetes),
    (r"snakemake .*profiles/slurm.*", slurm),
    (r"snakemake --touch", one_core),
    (r"snakemake --(?:list|list-target-rules|lint|unlock|dry-run)", as_written),
    (r"snakemake --cores all|snakemake \w+ --cores all", as_written),
    (r"snakemake --cores all --configfile config/own_text\.yaml", own_text),
    (r"snakemake .*--(?:configfile|workflow-profile) .*", plan_only),
    (r"snakemake .*--directory /scratch/me", elsewhere),
    (r"python -m lm_saturation_workflow\.reruns .*", reruns),
    (r"python -m lm_saturation_workflow\.cost .*", as_written),
    (r"pip install .*", pip_plan),
    (r"python -m lm_saturation\.evidence\.real_weights results/smollm2 > .*", real_numbers),
    (r"python -m lm_saturation\.evidence\.trained_here results > .*", trained_numbers),
    (r"python -m benchmarks\.\w+", benchmark),
    (r"(?:docker|apptainer) (?:build|run|exec) .*", container),
    (r"git clone", cloned),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_command(home, command):
    written = command.replace("config/NAME.yaml", SMOKE[1])
    ways = [way for pattern, way in WAYS if re.fullmatch(pattern, written)]
    assert ways, f"{', '.join(COMMANDS[command])}: WAYS says nothing of `{command}`"
    ways[0](home, written)


def code(language):
    """Every block of a language, by the place where it stands."""
    return [
        pytest.param("\n".join(lines), id=f"{page}:{first}")
        for page in PAGES
        for name, lines, first in blocks(page)
        if name == language
    ]


def smaller(text):
    for before, after in SMALLER.items():
        text = text.replace(before, after)
    return text


@pytest.mark.parametrize("text", code("python"))
def test_python(home, text):
    check = "assert len(errors) and errors[-1] < 1e-9 < errors[0]" if "errors =" in text else ""
    subprocess.run([sys.executable, "-c", f"{smaller(text)}\n{check}"], cwd=home, check=True)


@pytest.mark.parametrize("text", code("sql"))
def test_sql(home, text, monkeypatch):
    monkeypatch.chdir(home)
    rows = duckdb.sql(smaller(text)).fetchall()
    assert rows
    if "entropy_nats" in text:
        assert len(rows) == 10
        assert rows[0][5] > rows[-1][5] > 0
        assert min(row[4] for row in rows) >= 5


@pytest.mark.parametrize("text", code("yaml"))
def test_yaml(text):
    """A piece of a configuration is one that is allowed."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    update_config(config, yaml.safe_load(text))
    read_experiment(config)


def test_a_command_that_nobody_thought_of_is_found():
    assert not [pattern for pattern, _ in WAYS if re.fullmatch(pattern, "make coffee")]
    assert "make run" in COMMANDS
