"""The workflow as a module that Snakemake fetches from git, with the library installed and no clone at hand."""

import os
import subprocess

import pandas as pd
import pytest
import yaml

from tests.conftest import copy_project

SNAKEFILE = """
configfile: "config.yaml"

rule all:
    input: "results/saturation/figures/figure_7.csv", "results/saturation/tables/table_7.csv"

module saturation:
    snakefile: github("owner/saturation", path="Snakefile", tag="v0")
    config: config["saturation"]

use rule * from saturation as saturation_*
"""
CONFIG = """
pathvars: {results: results/saturation, logs: logs/saturation}
corpora: {python-docs: {max_documents: 100}}
tokenizers: {bpe-1k: {source: train, vocabulary_size: 1000, corpora: [python-docs]}}
ngrams:
  corpora: [python-docs]
  tokenizers: [bpe-1k]
  sample_size: 1000
  seeds: [0]
  controls: {tokenizers: [bpe-1k], sample_sizes: [500]}
report: {published: {bpe-1k: llama2}}
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """What stands for github.com: a bare repository of the project as it is now, with a tag."""
    folder = tmp_path_factory.mktemp("hub")
    project = copy_project(folder / "project")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "All"], ["tag", "v0"]):
        subprocess.run([*git, *command], cwd=project, check=True)
    bare = folder / "github" / "owner" / "saturation.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", str(project), str(bare)], check=True)
    return folder / "github"


@pytest.fixture(scope="module")
def outer(tmp_path_factory):
    """The folder of the other workflow."""
    folder = tmp_path_factory.mktemp("outer")
    (folder / "Snakefile").write_text(SNAKEFILE)
    (folder / "config.yaml").write_text(yaml.safe_dump({"saturation": yaml.safe_load(CONFIG)}))
    return folder


@pytest.fixture
def snakemake(python, hub, outer):
    """Run Snakemake of the environment with the wheel in the folder of the other workflow."""
    settings = outer / "gitconfig"
    settings.write_text(f'[url "{hub.as_uri()}/"]\n\tinsteadOf = https://github.com/\n')
    variables = {"GIT_CONFIG_GLOBAL": str(settings), "XDG_CACHE_HOME": str(outer / "cache")}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables

    def run(*arguments):
        command = [str(python), "-m", "snakemake", "--cores", "2", *arguments]
        result = subprocess.run(command, cwd=outer, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout + result.stderr

    return run


def test_text_to_a_figure(snakemake, outer):
    snakemake()
    results = outer / "results" / "saturation"
    figure = pd.read_csv(results / "figures" / "figure_7.csv")
    assert set(figure.source) == {"ours", "paper"}  # published curves lie in the library
    table = pd.read_csv(results / "tables" / "table_7.csv")
    assert len(table[table.source == "ours"]) == 1
    assert "Nothing to be done" in snakemake("--dry-run")


def test_a_page_without_models(snakemake, outer):
    nothing = "checkpoints: {suites: []}, heads: {models: []}, scaling: {suites: []}, abilities: {suites: []}"
    page = "results/saturation/report.html"
    snakemake(page, "--config", f"saturation={{{nothing}, tied: {{remedies: []}}}}")
    assert "github.com" not in (outer / "results" / "saturation" / "workflow.svg").read_text()
    assert "Figure 7" in (outer / page).read_text()


def test_all_can_be_planned(snakemake):
    plan = snakemake("--dry-run", "saturation_all")
    for rule in ("checkpoint_train", "head_rank_sweep", "tied_training", "figure_1a", "report"):
        assert f"\nsaturation_{rule} " in plan  # in the table of jobs
