"""The workflow as a module of another one, as docs/extending.md shows it."""

import os

import pytest
import yaml

from scripts.workflow.module import project_file, python_path, with_defaults
from scripts.workflow.plan import ROOT
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
    sources = {line.split(",")[1] for line in (outer / figure).read_text().splitlines()[1:]}
    assert sources == {"ours", "paper"}  # the paper's curves lie in resources/


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
    monkeypatch.chdir(ROOT)
    assert project_file("resources/README.md") == "resources/README.md"
    monkeypatch.chdir(tmp_path)
    assert (tmp_path / project_file("resources/README.md")).samefile(ROOT / "resources" / "README.md")


def test_python_path(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/mine", str(ROOT)]))
    assert python_path(alone=True) == str(ROOT)
    assert python_path(alone=False) == os.pathsep.join([str(ROOT), "/mine"])
    monkeypatch.setenv("PYTHONPATH", python_path(alone=False))
    assert python_path(alone=False) == os.pathsep.join([str(ROOT), "/mine"])  # as jobs parse the workflow again
