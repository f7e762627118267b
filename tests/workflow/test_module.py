"""The workflow as a module of another one, as docs/extending.md shows it."""

import os
from pathlib import Path

import pandas as pd
import pytest
import yaml

from lm_saturation_workflow import project
from lm_saturation_workflow.plan import ROOT
from lm_saturation_workflow.project import SOURCES, library_file, project_file, python_path, with_defaults
from tests.conftest import copy_project, snakemake
from tests.workflow.pages import apply, commands, section


@pytest.fixture(scope="module")
def outer(tmp_path_factory):
    """The folder of the other workflow, with a copy of this project in it."""
    folder = tmp_path_factory.mktemp("outer")
    apply(section("extending.md", "As a module of your workflow"), folder)
    copy_project(folder / "my-workflow" / "saturation")
    return folder / "my-workflow"


def test_its_tables_are_inputs_of_other_rules(outer):
    (outer / "lib").mkdir()
    (outer / "lib" / "mine.py").write_text("")
    script = outer / "scripts" / "halving.py"
    text = script.read_text()
    script.write_text(f"import mine\n{text}")  # from a PYTHONPATH that was there before
    commands(
        section("extending.md", "As a module of your workflow"),
        outer,
        env=os.environ | {"PYTHONPATH": str(outer / "lib")},
    )
    found = (outer / "results" / "halving.txt").read_text()
    assert found.startswith("W-error halves at ")
    assert int(found.split()[3]) > 10
    assert not (outer / "saturation" / "results").exists()
    assert not (outer / "saturation" / "logs").exists()
    assert "Nothing to be done" in snakemake(outer, "--cores", "1", "--dry-run")


def test_a_figure_reads_the_projects_own_files(outer):
    figure = "results/saturation/figures/figure_7.csv"
    snakemake(outer, "--cores", "2", figure, "--config", "saturation={report: {published: {bpe-1k: llama2}}}")
    sources = set(pd.read_csv(outer / figure).source)
    assert sources == {"ours", "paper"}  # the paper's curves lie in the library


def test_everything_can_be_asked_for(outer):
    plan = snakemake(outer, "--cores", "1", "--dry-run", "saturation_all")
    assert "saturation_checkpoint_train" in plan
    assert "localrules" not in plan  # whose names Snakemake would not give the prefix
    assert "results/saturation/report.html" in plan
    rules = snakemake(outer, "--list").split()
    assert {"all", "halving", "saturation_all", "saturation_corpus_hub"} <= set(rules)


def test_a_typo_stops_with_one_line(outer):
    output = snakemake(outer, "--dry-run", "--config", "saturation={ngrams: {sampel_size: 5}}", check=False)
    lines = [line for line in output.splitlines() if line.startswith("config: ")]
    assert len(lines) == 1
    assert lines[0].startswith("config: ngrams.sampel_size: unknown key, did you mean sample_size?")
    assert "Traceback" not in output


def test_a_config_changes_only_what_it_names():
    given = {"ngrams": {"seeds": [7]}, "suites": {"mini": {"batch_size": 3}}}
    whole = yaml.safe_load((ROOT / "config.yaml").read_text())
    whole["ngrams"]["seeds"] = [7]
    whole["suites"]["mini"]["batch_size"] = 3
    assert with_defaults(given) == whole
    assert given == {"ngrams": {"seeds": [7]}, "suites": {"mini": {"batch_size": 3}}}


def test_paths_of_the_project(tmp_path, monkeypatch):
    style = "report/report.css"
    monkeypatch.chdir(ROOT)
    assert library_file(style) == f"src/lm_saturation/{style}"
    monkeypatch.chdir(tmp_path)
    assert Path(library_file(style)).samefile(SOURCES / "lm_saturation" / style)
    monkeypatch.setattr(project, "_find", [lambda path: str(ROOT / path)])  # as before a Snakefile was read
    assert project_file("config.yaml").samefile(ROOT / "config.yaml")


def test_python_path(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/mine", str(SOURCES)]))
    assert python_path() == os.pathsep.join([str(SOURCES), "/mine"])
    monkeypatch.setenv("PYTHONPATH", python_path())
    assert python_path() == os.pathsep.join([str(SOURCES), "/mine"])  # as jobs parse the workflow again
