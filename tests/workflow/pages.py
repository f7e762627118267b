"""Code blocks of a page of docs, applied to a copy of the project as their reader would."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, heed_interrupts

BLOCK = re.compile(r"(?:^`([^`\n]+)`([^\n]*):[^\n]*\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BIN = Path(sys.executable).parent


def section(page, title):
    """The text below a heading, up to the next."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)[1]


def apply(text, folder):
    """Make the files and changes that a section shows."""
    for path, how, kind, code in BLOCK.findall(text):
        file = folder / path
        if not path or kind == "sh":
            continue
        if kind == "diff":
            change(file, code)
        elif "at its end" in how:
            file.write_text(f"{file.read_text(encoding='utf-8')}\n\n{code}", encoding="utf-8")
        else:
            assert "new" in how, path
            assert not file.exists(), path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(code, encoding="utf-8")


def change(file, diff):
    """Change a file as a diff without line numbers says; each hunk must fit at one place."""
    text = "\n" + file.read_text(encoding="utf-8")
    for hunk in diff.split("@@\n"):
        lines = hunk.splitlines(keepends=True)
        before = "\n" + "".join(line[1:] for line in lines if line[0] != "+")  # whole lines
        assert text.count(before) == 1, f"{file}: {before}"
        text = text.replace(before, "\n" + "".join(line[1:] for line in lines if line[0] != "-"))
    file.write_text(text[1:], encoding="utf-8")


def commands(text, folder, more="", **options):
    """Run the commands that a section shows, those of Snakemake on two cores with `more` behind them."""
    for _, _, kind, code in BLOCK.findall(text):
        for command in code.splitlines() if kind == "sh" else []:
            run(command, folder, more, **options)


def run(command, folder, more="", **options):
    command = command.replace("--cores all", "--cores 2").replace(".venv/bin/pytest", ".venv/bin/pytest -n0")
    command = re.sub(r"(?<!\S)(?:\.venv/bin/)?(python|pytest|snakemake)\b", rf"{BIN}/\1", command, count=1)
    command += f" {more}" if "snakemake" in command else ""
    environment = dict(options.pop("env", os.environ))
    for name in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS"):  # of the make that runs the tests: a make of ours would say more
        environment.pop(name, None)
    options |= {"env": environment, "capture_output": True, "text": True, "preexec_fn": heed_interrupts}
    result = subprocess.run(command, shell=True, cwd=folder, check=False, **options)
    assert result.returncode == 0, command + result.stdout + result.stderr
    return result.stdout + result.stderr
