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
from lm_saturation.claims.evidence import INCREASE, NARROW, SEED_SIZE
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
    """3 of 5."""
    return f"{row['agreeing']} of {row['curves']}"


def _value(row: Mapping[Any, Any]) -> str:
    """The number of a single curve with its interval."""
    known = pd.notna(row["ours_low"]) and row["ours_low"] < row["ours_high"]
    return number(row["ours"]) + (f" ({number(row['ours_low'])} to {number(row['ours_high'])})" if known else "")


def _does_it_happen(rows: Rows) -> Answer:
    name = "small_models_saturate"
    published, drawn, here = (rows[name, source] for source in (PUBLISHED, PAPER, HERE))
    texts = ["Not tested on published trainings: this run has none."]
    if published["curves"]:
        texts = [
            f"{_lead(published)}: {_of(published)} published trainings of Pythia with at most 410M parameters end "
            "above their minimum."
        ]
    if drawn["curves"]:
        noisy = drawn["verdict"] == INCONCLUSIVE
        says = "are too noisy to tell" if noisy else f"say: {_lead(drawn).lower()}"
        texts.append(f"The paper's own loss curves {says} ({_of(drawn)} certain).")
    known = f"Of the models trained here, {_of(here)} do."
    texts.append(known if here["curves"] else "No model trained here saw enough tokens to tell.")
    return Answer("Do small language models saturate?", " ".join(texts), (name,))


def _to_whom(rows: Rows, runs: pd.DataFrame) -> Answer:
    question, names = "Which ones?", ("the_seed_decides",)
    if runs.empty:
        return Answer(question, "Not tested: there are no published trainings by seed.", names)
    rises = runs.assign(rises=runs.increase > INCREASE.value)
    listed = [_size(size, rises[rises["size"] == size]) for size in SIZES if (rises["size"] == size).any()]
    large = rises[~rises["size"].isin(SIZES)]
    decides = rows["the_seed_decides", PUBLISHED]
    worst = rises[rises["size"] == SEED_SIZE].sort_values("increase").seed.iloc[-1:].tolist() == [OF_PAPER]
    text = f"Of the trainings by seed, {', '.join(listed)}, and {int(large.rises.sum())} of {len(large)} larger ones. "
    text += f"Does the seed decide at d = {WIDTHS[SEED_SIZE]}? {_lead(decides)}"
    return Answer(question, text + ("; the paper's run of 160M is the worst of its seeds." if worst else "."), names)


def _size(size: str, runs: pd.DataFrame) -> str:
    """14M 10 of 11."""
    spikes = runs.rises.any() and (runs.unigram_increase[runs.rises] < SPIKE).all()
    note = " (spikes: their loss on unigram text hardly moves)" if spikes else ""
    return f"{size.upper()} {int(runs.rises.sum())} of {len(runs)}{note}"


def _is_it_width(rows: Rows) -> Answer:
    names = ("small_width_necessary", "narrow_models_saturate", "narrow_gemstones_saturate")
    necessary, narrow, gemstones = (rows[name, PUBLISHED] for name in names)
    needed = "is necessary" if necessary["verdict"] == REPRODUCED else f"may be necessary ({necessary['verdict']})"
    texts = [
        f"A width below {NARROW} {needed}{_curves(necessary, 'curves of wider Pythias lose less than 160M does')}."
    ]
    enough = {INCONCLUSIVE: "may be enough (inconclusive)", NOT_TESTED: "may be enough (not tested here)"}
    enough |= {REPRODUCED: "is enough"}
    text = f"It {enough.get(narrow['verdict'], 'is not enough')}"
    text += _curves(narrow, "trainings of 70M and 160M lose LAMBADA perplexity")
    if gemstones["curves"]:
        text += f"{', and' if narrow['curves'] else ':'} {_of(gemstones)} curves of Gemstones as narrow end above "
        text += "their lowest loss"
    return Answer("Is it the width?", " ".join([*texts, f"{text}."]), names)


def _curves(row: Mapping[Any, Any], which: str) -> str:
    """What stands behind a verdict, if there is anything."""
    return f": {_of(row)} {which}" if row["curves"] else ""


def _is_it_the_head(rows: Rows) -> Answer:
    names = ("small_heads_degenerate", "collapse_costs_loss", "threshold_in_rank")
    degenerate, cost, kink = rows[names[0], PAPER], rows[names[1], PUBLISHED], rows[names[2], PAPER]
    costs = {"Yes": "costs loss by itself", "No": "costs no loss by itself"}
    said = costs.get(_lead(cost), f"costs loss by itself is {cost['verdict']}")
    texts = [
        f"Small heads degenerate where models saturate: {degenerate['verdict']}"
        + (f" ({_of(degenerate)} of the paper's curves)." if degenerate["curves"] else "."),
        ("But " if _lead(cost) == "No" else "")
        + ("a degenerate head " if _lead(cost) in costs else "whether a degenerate head ")
        + said
        + (f" ({_of(cost)} pairs of published trainings)." if cost["curves"] else "."),
        f"That the loss breaks down below some rank of the head is {kink['verdict']}"
        + (" by the paper's own points." if kink["curves"] else "."),
    ]
    return Answer("Is it the head?", " ".join(text[0].upper() + text[1:] for text in texts), names)


def _is_it_rounding(rows: Rows, pairs: pd.DataFrame) -> Answer:
    name = "offsets_cost_what_rounding_costs"
    row, question = rows[name, PUBLISHED], "Is it rounding?"
    if not row["curves"]:
        return Answer(question, "Not tested: there are no published trainings with and without offsets.", (name,))
    lead = {"Yes": "It can be", "No": "No"}.get(_lead(row), _lead(row))
    fits = f"; {int(pairs.fits.sum())} of {len(pairs)} pairs fit" if len(pairs) else ""
    text = (
        f"{lead}. Where the logits of a model in bfloat16 share a large offset, its loss lies above that of a training "
        f"without it by what rounding predicts: correlation {_value(row)}{fits}. Whether rounding makes Pythia "
        "saturate is not tested: its logits are not published."
    )
    return Answer(question, text, (name,))


def _what_to_do(rows: Rows, pairs: pd.DataFrame) -> Answer:
    tells, seeds = rows["unigram_text_tells", PUBLISHED], rows["the_seed_decides", PUBLISHED]
    large = pairs[pairs.peak_learning_rate >= LARGE_RATE]
    texts = ["Which warning to watch is not tested."]
    if tells["curves"]:
        doubt = " (whether it explains half of its variance is open)" if tells["verdict"] == INCONCLUSIVE else ""
        texts = [
            "Watch the loss on random text from the corpus's unigram law: over published trainings its rise goes with "
            f"saturation, rank correlation {_value(tells)}{doubt}."
        ]
    if _lead(seeds) == "Yes":
        texts.append("Train more than one seed before you call a small model saturated.")
    if len(large):
        saved = number(large.lost.median())
        texts.append(
            f"Keep the offset of the logits near 0, with μ-loss: at peak learning rates from {LARGE_RATE:g} on it "
            f"saved {saved} nats (median)."
        )
    name = "What should I do when I train a small model?"
    return Answer(name, " ".join(texts), ("unigram_text_tells", "the_seed_decides"))
