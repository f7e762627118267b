import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lm_saturation.evidence.paper_curves import entropies_by_power, matrix_sizes, minimum_losses
from lm_saturation.io.tables import read_csv
from lm_saturation.report.findings import differing_pairs, misfiled, trainings
from lm_saturation.report.verdicts import MEANINGS
from tests.conftest import RESOURCES

FIGURES = {number: pd.read_csv(RESOURCES / f"figure_{number}_published.csv") for number in ("1a", "4", "5", "7")}
EVALUATIONS = pd.read_csv(RESOURCES / "pythia_evaluations.csv.xz")
WRITTEN = Path("docs/findings.md")


def deficit(weights):
    p = weights / weights.sum()
    return np.log(len(weights)) + (p * np.log(p)).sum()


@pytest.mark.parametrize("power", [1, 2])
def test_bounds_hold_whatever_the_values_that_are_not_shown(power):
    rng = np.random.default_rng(0)
    for _ in range(20):
        values = np.sort(rng.gamma(0.5, size=128))[::-1] + 1e-6
        values /= values[0]
        ranks = np.arange(2, 102)
        shares = pd.DataFrame({"model": "m", "step": 1, "rank": ranks, "singular_value_share": values[ranks - 1]})
        drawn = pd.DataFrame({"model": ["m"], "step": [1], "singular_entropy": [0.0]})
        row = entropies_by_power(shares, drawn, "m", 128).iloc[0]
        assert row[f"low_{power}"] <= deficit(values**power) <= row[f"high_{power}"]


def test_figure_5_is_of_squares_and_the_columns_are_dated():
    def within(power, lag):
        found = entropies_by_power(FIGURES["4"].assign(step=FIGURES["4"].step + lag), FIGURES["5"], "pythia-14m", 128)
        return found.drawn.between(found[f"low_{power}"], found[f"high_{power}"]).mean()

    assert (within(2, 0), within(1, 0)) == (1, 0)
    assert max(within(2, -1000), within(2, 1000)) < 0.8


def test_the_size_of_a_matrix_is_read_off_its_curve():
    """Rows with one follower: W-error² is the share of rows outside the d commonest next tokens."""
    rng = np.random.default_rng(0)
    counts = np.sort(np.bincount(rng.zipf(1.3, 50_000).clip(0, 60_000)))[::-1]
    counts = counts[counts > 0]
    dimensions = np.arange(0, len(counts), max(len(counts) // 60, 1))
    errors = np.sqrt(1 - np.append(0, np.cumsum(counts))[dimensions] / counts.sum())
    curve = pd.DataFrame({"corpus": "c", "tokenizer": "t", "dimension": dimensions, "w_error": errors})
    assert matrix_sizes(curve).squared_norm[0] == pytest.approx(counts.sum(), rel=1e-6)


def test_the_papers_matrices_hold_about_1e5_ngrams():
    sizes = matrix_sizes(FIGURES["7"]).squared_norm
    assert len(sizes) == 6
    assert sizes.between(71_000, 88_000).all()


def test_410m_does_not_saturate_in_figure_1a():
    minima = minimum_losses(FIGURES["1a"]).set_index("model")
    assert (minima.increase_nats > minima.reading_nats).tolist() == [True, True, True, True, False]
    assert minima.best_step["pythia-410m"] == minima.last_step["pythia-410m"]


def test_folders_are_counted_by_their_names():
    named = EVALUATIONS.source_path.str.extract("/(zero|five)-shot/")[0].map({"zero": 0, "five": 5})
    assert misfiled(EVALUATIONS) == (named.notna() & (named != EVALUATIONS.num_fewshot)).sum() == 1620
    assert EVALUATIONS.folder_num_fewshot.isna().sum() == named.isna().sum() == 675


def test_every_published_training_of_the_small_models_is_shown():
    lost = pd.DataFrame(
        [
            {"suite": suite, "model": model, "task": task, "metric": metric, "num_fewshot": shots}
            for suite, model, task, metric, shots in [
                ("pythia-v1", "160m", "lambada_openai", "perplexity", 0),
                ("pythia-v0", "70m-deduped", "lambada_openai", "perplexity", 5),
                ("pythia-v1", "160m", "lambada_openai", "acc", 0),
                ("pythia-v1", "1b", "lambada_openai", "perplexity", 0),
                ("mini", "70m", "cloze", "acc", 0),
            ]
        ]
    )
    assert trainings(lost).model.tolist() == ["160m", "70m-deduped"]


def test_pairs_that_differ_are_those_without_0():
    rows = [("figure_1a", "acc", 1, 2), ("figure_1a", "acc", -1, 1), ("lambada", "acc", 1, 2), ("figure_1a", "x", 1, 2)]
    pairs = pd.DataFrame(rows, columns=["loss_measure", "metric", "difference_low", "difference_high"])
    pairs = pairs.assign(suite="s", model=list("abcd"), task="t", num_fewshot=0)
    assert differing_pairs(pairs).model.tolist() == ["a"]


def sections(text):
    """Each section by its number."""
    return {part.split(".")[0]: part for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]}


def prose(text):
    """The text without tables, verdicts and numbers."""
    verdict = "|".join(MEANINGS)
    lines = [re.sub(rf"\*\*({verdict})\*\*.*", "", line) for line in text.splitlines()]
    return [re.sub(r"[-+]?\d[\d.,]*", "#", line) for line in lines if line and not line.startswith("|")]


def test_the_page_in_docs_is_what_the_rule_writes(undisturbed):
    """It is of the default run: what comes of the papers alone is the same in any other, elsewhere the words are."""
    here = sections((undisturbed / "results" / "smoke" / "findings.md").read_text(encoding="utf-8"))
    there = sections(WRITTEN.read_text(encoding="utf-8"))
    assert {number: prose(text) for number, text in here.items()} == {
        number: prose(text) for number, text in there.items()
    }
    for number in ("2", "3", "9"):
        assert here[number] == there[number]


def test_every_number_of_the_law_is_that_of_the_table(undisturbed):
    results = undisturbed / "results" / "smoke"
    law = sections((results / "findings.md").read_text(encoding="utf-8"))["4"]
    fits = read_csv("scaling_fit", results / "tables" / "scaling_fit.csv")
    for row in fits[(fits.source == "paper") & (fits.constants == "hoffmann")].itertuples():
        start = f"| {row.parameters_counted.replace('_', ' ')} | "
        assert f"{100 * row.final_gap:+.1f} %" in law[law.index(start) :].splitlines()[0]


def test_the_readme_answers_as_the_findings_do():
    readme = Path("README.md").read_text(encoding="utf-8")
    block = readme.split("<!-- answers: as in docs/findings.md -->")[1].split("<!-- end of answers -->")[0]
    findings = WRITTEN.read_text(encoding="utf-8").split("## The question, and its answers")[1].split("\n## ")[0]
    assert block.strip() == findings.strip()
    assert block.count("**") == 2 * 6
