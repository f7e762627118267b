"""docs/extending.md, followed to the letter in a copy of the project: what its reader gets from each addition."""

import math
import re
import runpy
import shutil

import numpy as np
import pandas as pd
import pytest
from tokenizers import Tokenizer

from tests.conftest import ROOT, SMOKE
from tests.metrics.models import tiny_model
from tests.workflow.pages import BIN, apply, commands, run, section

PAGE = "extending.md"
RESULTS = "results/smoke"


@pytest.fixture(scope="module")
def extended(undisturbed, tmp_path_factory):
    """The smoke configuration's results, after the metric, the figure and the claim were added and it ran again."""
    project = tmp_path_factory.mktemp("extending") / "project"
    shutil.copytree(undisturbed, project)
    shutil.copytree(ROOT / "tests", project / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    metric, figure, claim = (section(PAGE, f"Add a {what}") for what in ("metric", "figure", "claim"))
    for text in (metric, figure, claim):
        apply(text, project)
    commands(metric, project)
    commands(figure, project, " ".join(SMOKE))
    commands(claim, project, " ".join(SMOKE))
    return project


def read(project, table, suite="*"):
    return pd.concat(map(pd.read_parquet, sorted(project.glob(f"results/*/metrics/{suite}/*/*/{table}.parquet"))))


def test_the_metric_is_in_the_table(extended):
    metrics = read(extended, "checkpoint_metrics", "tiny").set_index(["model", "step"])
    spectrum = read(extended, "head_spectrum", "tiny")
    squares = spectrum.singular_value**2
    sums = pd.DataFrame({"first": squares, "second": squares**2}).groupby([spectrum.model, spectrum.step]).sum()
    assert len(metrics) == 12
    pd.testing.assert_series_equal(
        metrics.head_participation_ratio,
        (sums["first"] ** 2 / sums["second"]).reindex(metrics.index),
        check_names=False,
        check_index_type=False,
    )
    assert "| `head_participation_ratio` |" in (extended / "docs" / "tables.md").read_text()


def test_the_figure_is_there_and_on_the_page(extended):
    figures = extended / RESULTS / "figures"
    drawn = pd.read_csv(figures / "figure_participation.csv")
    assert set(drawn.model) == {"d16", "d32"}
    metrics = read(extended, "checkpoint_metrics", "tiny")
    np.testing.assert_allclose(
        drawn.sort_values(["model", "step"]).head_participation_ratio,
        metrics.sort_values(["model", "step"]).head_participation_ratio,
        rtol=1e-5,
    )
    assert all((figures / f"figure_participation.{kind}").stat().st_size > 5000 for kind in ("pdf", "png"))
    page = (extended / RESULTS / "report.html").read_text()
    assert "How many dimensions share the norm of the LM head" in page
    assert "It falls where a head degenerates." in page


def test_the_claim_is_judged(extended):
    claims = pd.read_csv(extended / RESULTS / "claims.csv").set_index("claim")
    assert claims.verdict["anisotropy_beyond_the_mean"] == "not tested in this configuration"
    rows = runpy.run_path(str(extended / "scripts" / "report" / "claims_checkpoints.py"))["checkpoint_rows"]
    table = {"late_checkpoints": 20, "saturates": 1, "parameters": 1e7, "tokens_per_parameter": 1e5, "best_step": 5}
    table |= {"hidden_size": 64, "difference": 0.1, "difference_low": 0.1, "difference_high": 0.1}
    table |= {"anisotropy_onset_step": 5, "singular_entropy_onset_step": 5, "anisotropy_final": 0.9}
    table |= {"singular_entropy_final": 1.0, "singular_entropy_least": 0.5, "anisotropy_centred_final": [0.6, 0.4]}
    correlation = {name: [] for name in ("metric", "other", "models", "spearman", "p_value")}
    (found,) = (
        row
        for row in rows(pd.DataFrame(table), pd.DataFrame(correlation))
        if row["claim"] == "anisotropy_beyond_the_mean"
    )
    assert (found["verdict"], found["curves"], found["agreeing"]) == ("not reproduced", 2, 1)


def test_what_was_added_passes_the_checks(extended):
    run(f"{BIN}/ruff check scripts tests", extended)
    run(f"{BIN}/ruff format --check scripts tests", extended)
    run(f"{BIN}/snakefmt --check rules", extended)


def test_the_suite_is_in_the_tables(extended):
    text = section(PAGE, "Add a suite")
    apply(text, extended)
    tokenizer = Tokenizer.from_file(str(extended / RESULTS / "corpus" / "tokenizers" / "bpe-1k.json"))
    for step in (0, 10, 20):
        model = tiny_model(vocab_size=tokenizer.get_vocab_size(), seed=step, num_hidden_layers=1)
        model.save_pretrained(extended / "runs" / "small" / f"step{step}")
    tokenizer.save(str(extended / "runs" / "tokenizer.json"))
    table = "results/my_suite/tables/checkpoints.csv"
    (command,) = re.findall(r"^\.venv/bin/snakemake .*", text, re.MULTILINE)
    command = command.replace("--configfile", f"--configfile {SMOKE[1]}")  # little text
    run(f"{command} -- {table}", extended)
    checkpoints = pd.read_csv(extended / table).set_index(["suite", "model"])
    assert checkpoints.measured.to_dict() == {("mine", "small"): 3}
    metrics = read(extended, "checkpoint_metrics", "mine")
    assert metrics.tokens.tolist() == [0, 40960, 81920]
    assert metrics.head_participation_ratio.between(1, 32).all()


def test_the_remedy_is_studied(extended):
    text = section(PAGE, "Add a remedy")
    apply(text, extended)
    commands(text, extended)
    table = f"{RESULTS}/tied/tied_initial_loss.parquet"
    run(f".venv/bin/snakemake --cores all {table} {' '.join(SMOKE)}", extended)
    found = pd.read_parquet(extended / table).set_index("remedy")
    wide = found[(found.width == 512) & (found.sigma == 0.02)]
    assert wide.loss_nats["turn"] == pytest.approx(math.log(500) + 512 * 0.02**2 / 2, rel=0.01)
    assert wide.loss_nats["plain"] > wide.loss_nats["turn"] + 1


def test_names_and_links_exist():
    text = (ROOT / "docs" / PAGE).read_text(encoding="utf-8")
    made = set(re.findall(r"^`([\w./-]+)`, new", text, re.MULTILINE))
    named = set(re.findall(r"`((?:config|docs|scripts|rules|tests|profiles)/[\w./-]+\.\w+)`", text)) - made
    links = set(re.findall(r"\]\(([\w./-]+)\)", text))
    assert [path for path in named if not (ROOT / path).exists()] == []
    assert [path for path in links if not (ROOT / "docs" / path).exists()] == []
    anchors = {title.lower().replace(" ", "-") for title in re.findall(r"^## (.*)", text, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= anchors
