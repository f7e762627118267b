"""A config file that cannot be read is one line, from Snakemake itself and from the function that finds it."""

import subprocess
import sys

import pytest

from lm_saturation_workflow.config_files import ALLOWED, default_config, file_error
from tests.conftest import copy_project

BROKEN = {
    "not_yaml": ("broken.yaml", b"heads:\n  ranks: [1, 2\n", "broken.yaml, line 3, column 1: expected ',' or ']'"),
    "not_json": ("broken.json", b'{"heads": }', "broken.json, line 1, column 11: Expecting value"),
    "a_list": ("broken.yaml", b"- heads\n- metrics\n", "broken.yaml: holds a list, no keys"),
    "one_value": ("broken.yaml", b"heads\n", "broken.yaml: holds a single value, no keys"),
    "empty": ("broken.yaml", b"", "broken.yaml: empty"),
    "latin_1": (
        "broken.yaml",
        "# caf\u00e9\n".encode("latin-1"),
        "broken.yaml, line 1, column 6: byte 0xe9 is no UTF-8",
    ),
    "utf_16": ("broken.yaml", "heads: {}".encode("utf-16"), "broken.yaml, line 1, column 1: byte 0xff is no UTF-8"),
    "a_key_twice": (
        "broken.yaml",
        b"suites: {own: {span: 2}}\nheads: {ranks: [1],\n  jobs: 1, ranks: [2]}\n",
        "broken.yaml, line 3, column 12: the key 'ranks' stands there a second time",
    ),
    "a_section_twice": (
        "broken.yaml",
        b"metrics: {tokens: 1000}\nheads: {}\nmetrics: {batch_size: 4}\n",
        "broken.yaml, line 3, column 1: the key 'metrics' stands there a second time",
    ),
    "a_key_twice_in_json": (
        "broken.json",
        b'{"heads": [{\n\t"jobs": 1,\n\t"jobs": 2}]}',
        "broken.json, line 3, column 2: the key 'jobs' stands there a second time",
    ),
    "control": ("broken.yaml", b"heads: \x07\n", "broken.yaml, line 1, column 8: character U+0007 is not allowed"),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return copy_project(tmp_path_factory.mktemp("broken") / "project")


def lines_about(project, *arguments):
    """What Snakemake says beside naming its profile and its config."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    result = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    output = result.stdout + result.stderr
    assert output.endswith("\n")
    said = ("Using workflow specific profile", "Config file config.yaml is extended")
    return [line for line in output.splitlines() if line and not line.startswith(said)]


@pytest.mark.parametrize("name", BROKEN)
def test_every_fault_has_its_line(tmp_path, name):
    file, content, expected = BROKEN[name]
    (tmp_path / file).write_bytes(content)
    error = file_error(tmp_path / file)
    assert error.startswith(f"config: {tmp_path}/{expected}")
    assert error.endswith(ALLOWED)
    assert "\n" not in error


def test_a_file_that_can_be_read_has_none(tmp_path):
    text = "base: &base {ranks: [1], jobs: 1}\nheads: {<<: *base, ranks: [2]}\ntied: {ranks: [1]}\n"
    (tmp_path / "good.yaml").write_text(text)
    assert file_error(tmp_path / "good.yaml") is None


@pytest.mark.parametrize("name", ["not_yaml", "a_list", "latin_1", "a_key_twice"])
@pytest.mark.parametrize("option", [["--dry-run"], []], ids=["plan", "run"])
def test_snakemake_says_it_in_one_line(project, name, option):
    file, content, expected = BROKEN[name]
    (project / file).write_bytes(content)
    lines = lines_about(project, *option, "--configfile", file)
    assert len(lines) == 1
    assert lines[0].startswith(f"config: {expected}")


@pytest.mark.parametrize("option", [["--dry-run"], []], ids=["plan", "run"])
def test_a_file_that_is_not_there(project, option):
    (line,) = lines_about(project, *option, "--configfile", "config/smok.yaml")
    assert line.startswith("config: config/smok.yaml: no such file; beside it would be ")
    assert "smoke.yaml" in line


def test_a_target_that_was_taken_for_a_file(project):
    lines = lines_about(project, "--dry-run", "--configfile", "config/smoke.yaml", "figure_7")
    assert lines == ["config: figure_7: no such file; a rule or a file to make stands before --configfile"]


def test_started_elsewhere_the_config_of_the_project_is_taken(project, tmp_path):
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--dry-run", "--quiet", "all"]
    command += ["--snakefile", str(project / "Snakefile"), "results/corpus/text/python-docs/0.json"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert f"{project}/config.yaml" in result.stderr + result.stdout


def test_the_config_of_the_working_directory_comes_first(tmp_path, monkeypatch):
    for folder in ("here", "project"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert default_config(tmp_path / "project") == "config.yaml"  # there is none: Snakemake says so
    (tmp_path / "project" / "config.yaml").touch()
    assert default_config(tmp_path / "project") == str(tmp_path / "project" / "config.yaml")
    (tmp_path / "here" / "config.yaml").touch()
    assert default_config(tmp_path / "project") == "config.yaml"
