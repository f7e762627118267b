"""The question of this project and its answers, as page and findings begin: sentences made of claims and tables.

Where the evidence is missing or open, the sentence says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lm_saturation.claims.base import (
    ANSWERS,
    CONTRADICTED,
    HERE,
    IN_PART,
    INCONCLUSIVE,
    NOT_TESTED,
    PAPER,
    PUBLISHED,
    REPRODUCED,
)
from lm_saturation.evidence.pythia_seeds import OF_PAPER, WIDTHS
from lm_saturation.report.cells import number

LEADS = {
    REPRODUCED: "Yes",
    ANSWERS[REPRODUCED]: "Yes",
    IN_PART: "In part",
    CONTRADICTED: "No",
    ANSWERS[CONTRADICTED]: "No",
    INCONCLUSIVE: "It is open",
    NOT_TESTED: "Not tested",
}
SIZES = ["14m", "70m", "160m", "410m"]  # of the published trainings with several seeds
RISE = 0.001  # nats of divergence: of `small_models_saturate` on published trainings
SPIKE = 0.25  # nats/token of unigram text: trainings that saturate rise by more than one in the median
LARGE_RATE = 0.1  # peak learning rate from which offsets are large


@dataclass(frozen=True)
class Answer:
    """A question, a sentence or two, and the claims that these rest on."""

    question: str
    text: str
    claims: tuple[str, ...]


def answers(claims: pd.DataFrame, seed_runs: pd.DataFrame, rounding_pairs: pd.DataFrame) -> list[Answer]:
    """Six answers, from claims.csv and two tables of the run."""
    rows = {(row["claim"], row["source"]): row for row in claims.to_dict("records")}
    return [
        _does_it_happen(rows),
        _to_whom(rows, seed_runs),
        _is_it_width(rows),
        _is_it_the_head(rows),
        _is_it_rounding(rows, rounding_pairs),
        _what_to_do(rows, rounding_pairs),
    ]


Rows = Mapping[tuple[str, str], Mapping[Any, Any]]


def _lead(row: Mapping[Any, Any]) -> str:
    return LEADS[row["verdict"]]


def _of(row: Mapping[Any, Any]) -> str:
    """3 of 5, or that there is nothing."""
    return f"{row['agreeing']} of {row['curves']}" if row["curves"] else "none, for there is nothing to judge it on,"


def _value(row: Mapping[Any, Any]) -> str:
    """The number of a single curve with its interval."""
    if not row["curves"]:
        return "not measured"
    known = pd.notna(row["ours_low"]) and row["ours_low"] < row["ours_high"]
    return number(row["ours"]) + (f" ({number(row['ours_low'])} to {number(row['ours_high'])})" if known else "")


def _here(row: Mapping[Any, Any]) -> str:
    if not row["curves"]:
        return "No model trained here saw enough tokens to tell."
    return f"Of the models trained here, {_of(row)} do."


def _does_it_happen(rows: Rows) -> Answer:
    name = "small_models_saturate"
    published, drawn = rows[name, PUBLISHED], rows[name, PAPER]
    text = (
        f"{_lead(published)}: {_of(published)} published trainings of Pythia with at most 410M parameters end above "
        "their "
        f"minimum. The paper's own loss curves alone are too noisy to show it ({_of(drawn)}). {_here(rows[name, HERE])}"
    )
    if drawn["verdict"] != INCONCLUSIVE:
        text = text.replace("are too noisy to show it", "say the same of")
    return Answer("Do small language models saturate?", text, (name,))


def _to_whom(rows: Rows, runs: pd.DataFrame) -> Answer:
    question, names = "Which ones?", ("the_seed_decides",)
    if runs.empty:
        return Answer(question, "Not tested: there are no published trainings by seed.", names)
    rises = runs.assign(rises=runs.increase > RISE)
    listed = [_size(size, rises[rises["size"] == size]) for size in SIZES if (rises["size"] == size).any()]
    large = rises[~rises["size"].isin(SIZES)]
    decides = rows["the_seed_decides", PUBLISHED]
    worst = rises[rises["size"] == "160m"].sort_values("increase").seed.iloc[-1:].tolist() == [OF_PAPER]
    text = f"Of the trainings by seed, {', '.join(listed)}, and {int(large.rises.sum())} of {len(large)} larger ones. "
    text += f"Does the seed decide at d = {WIDTHS['160m']}? {_lead(decides)}"
    return Answer(question, text + ("; the paper's run of 160M is the worst of its seeds." if worst else "."), names)


def _size(size: str, runs: pd.DataFrame) -> str:
    """14M 10 of 11."""
    spikes = runs.rises.any() and (runs.unigram_increase[runs.rises] < SPIKE).all()
    note = " (spikes: their loss on unigram text hardly moves)" if spikes else ""
    return f"{size.upper()} {int(runs.rises.sum())} of {len(runs)}{note}"


def _is_it_width(rows: Rows) -> Answer:
    necessary, narrow = rows["small_width_necessary", PUBLISHED], rows["narrow_models_saturate", PUBLISHED]
    gemstones = rows["narrow_gemstones_saturate", PUBLISHED]
    needed = "is necessary" if necessary["verdict"] == REPRODUCED else f"may be necessary ({necessary['verdict']})"
    enough = "is enough" if narrow["verdict"] == REPRODUCED else "is not enough"
    if narrow["verdict"] in (INCONCLUSIVE, NOT_TESTED):
        enough = f"may be enough ({narrow['verdict']})"
    text = (
        f"A width below 1000 {needed}: {_of(necessary)} curves of wider Pythias lose less than 160M does. But it "
        f"{enough}: "
        f"{_of(narrow)} trainings of 70M and 160M lose LAMBADA perplexity, and {_of(gemstones)} curves of Gemstones as "
        "narrow end above their lowest loss."
    )
    return Answer(
        "Is it the width?", text, ("small_width_necessary", "narrow_models_saturate", "narrow_gemstones_saturate")
    )


def _is_it_the_head(rows: Rows) -> Answer:
    degenerate, cost = rows["small_heads_degenerate", PAPER], rows["collapse_costs_loss", PUBLISHED]
    kink = rows["threshold_in_rank", PAPER]
    text = (
        f"Small heads degenerate where models saturate ({degenerate['verdict']}, {_of(degenerate)} of the paper's "
        "curves), "
        f"but does a degenerate head cost loss by itself? {_lead(cost)} ({_of(cost)} pairs of published trainings). "
        "That "
        f"loss breaks down below some rank of the head is {kink['verdict']} by the paper's own points."
    )
    return Answer("Is it the head?", text, ("small_heads_degenerate", "collapse_costs_loss", "threshold_in_rank"))


def _is_it_rounding(rows: Rows, pairs: pd.DataFrame) -> Answer:
    row = rows["offsets_cost_what_rounding_costs", PUBLISHED]
    lead = {"Yes": "It can be", "No": "No"}.get(_lead(row), _lead(row))
    fits = f" {int(pairs.fits.sum())} of {len(pairs)} pairs fit." if len(pairs) else ""
    text = (
        f"{lead}: where the logits of a model in bfloat16 share a large offset, the loss against a training without "
        "it is "
        f"what rounding must cost, correlation {_value(row)}.{fits} Whether that is why Pythia saturates is not "
        "tested: its "
        "logits are not published."
    )
    return Answer("Is it rounding?", text, ("offsets_cost_what_rounding_costs",))


def _what_to_do(rows: Rows, pairs: pd.DataFrame) -> Answer:
    tells = rows["unigram_text_tells", PUBLISHED]
    large = pairs[pairs.peak_learning_rate >= LARGE_RATE]
    saved = (
        f"at rates from {LARGE_RATE:g} on it saved {number(large.lost.median())} nats (median)" if len(large) else ""
    )
    kept = f"Keep the offset of the logits near 0, by μ-loss: {saved}." if saved else ""
    doubt = ", open whether it tells them apart" if tells["verdict"] == INCONCLUSIVE else ""
    watch = (
        "Watch the loss on random text of the unigram law: over published trainings its rise goes with saturation, "
        f"rank correlation {_value(tells)}{doubt}."
    )
    if not tells["curves"]:
        watch = "Which warning to watch is not tested."
    width = (
        "Train more than one seed before a small model is called saturated."
        if _lead(rows["the_seed_decides", PUBLISHED]) == "Yes"
        else ""
    )
    text = " ".join(filter(None, [watch, width, kept]))
    return Answer("What should I do when I train a small model?", text, ("unigram_text_tells", "the_seed_decides"))
