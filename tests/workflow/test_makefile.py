"""What `make` says to someone who has just come: one line, before anything is fetched."""

import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

OLD = """#!/bin/sh
exec {python} -c 'import sys; sys.version_info = (3, 9, 2); sys.version = "3.9.2 (old)"; exec(sys.argv[1])' "$2"
"""


@pytest.fixture
def folder(tmp_path):
    """The Makefile alone, and a folder of programs beside it that is all there is."""
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "programs").mkdir()
    for name in ("sh", "make", "awk", "grep", "touch", "test", "date", "cat"):
        (tmp_path / "programs" / name).symlink_to(shutil.which(name))
    return tmp_path


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def make(folder, *arguments, **variables):
    """What make printed but for its own last line, and whether it succeeded."""
    environment = {"PATH": str(folder / "programs"), "HOME": str(folder), **variables}
    result = subprocess.run(
        ["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    lines = (result.stdout + result.stderr).splitlines()
    return [line for line in lines if not line.startswith("make: ***")], result.returncode


def test_no_python(folder):
    lines, code = make(folder, "run")
    assert lines == ["error: Python 3.11 or newer is needed, and there is no python3"]
    assert code


def test_an_old_python(folder):
    program(folder / "programs" / "python3", OLD.format(python=sys.executable))
    lines, code = make(folder, "run")
    assert lines == [
        "error: Python 3.11 or newer is needed, python3 is 3.9.2; to name another: make run PYTHON=python3.12"
    ]
    assert code
    assert not (folder / ".venv").exists()


def test_help_names_every_target(folder):
    lines, _ = make(folder, "help")
    phony = (ROOT / "Makefile").read_text().split(".PHONY: ")[1].splitlines()[0].split()
    assert sorted(line.split()[1] for line in lines) == sorted(phony)
    assert all(line.startswith("make ") and len(line.split()) > 3 for line in lines)


def test_the_page_is_opened_where_there_is_one(folder):
    (folder / "programs" / "python3").symlink_to(sys.executable)
    assert make(folder, "report") == (["no results/report.html yet: make run"], 0)
    program(folder / "programs" / "browser", '#!/bin/sh\necho "$1" > seen\n')
    for results in ("results", "results/own_text"):
        page = folder / results / "report.html"
        page.parent.mkdir(exist_ok=True)
        page.touch()
        lines, code = make(folder, "report", f"RESULTS={results}", BROWSER=str(folder / "programs" / "browser"))
        assert (lines, code) == ([str(page)], 0)
        assert (folder / "seen").read_text() == f"{page.as_uri()}\n"
