"""The claims about the rank of language, judged on tables table_7 and table_7_controls."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from scripts.ngrams.thresholds import HALVES_AT, NEGLIGIBLE, NEGLIGIBLE_AT
from scripts.report.verdicts import Claim, verdict_row

LEAST_NGRAMS = 50_000  # the paper's matrices hold about 1e5 5-grams; far smaller samples say nothing about them
GAP = 0.05  # a difference between two curves of W-error that can be seen in a figure


@dataclass(frozen=True)
class RangeClaim:
    """A claim that a number lies in a range on every curve. `column` and `interval` are of the table named."""

    claim: Claim
    low: float
    high: float
    column: str
    interval: str


def _of_figure_7(claim: str, text: str, low: int, high: int, name: str) -> RangeClaim:
    named = Claim(claim, text, f"{low:,} to {high:,}", "dimensions", "figure_7, table_7")
    return RangeClaim(named, low, high, f"{name}_dimension", name)


RANK_OF_LANGUAGE = [
    _of_figure_7(
        "w_error_halves",
        "The W-error of 5-gram matrices halves when 1000 to 2000 dimensions are kept",
        *HALVES_AT,
        "halving",
    ),
    _of_figure_7(
        "w_error_negligible",
        f"It becomes negligible (here: at most {NEGLIGIBLE}) after 10,000 to 15,000 dimensions",
        *NEGLIGIBLE_AT,
        "negligible",
    ),
]


def beyond_column_norms(order: int) -> RangeClaim:
    """The claim that Fig 7 implies, for n-grams of an order: that W-error says more than the column norms of W do."""
    context = f"{order - 1} tokens" if order > 2 else "one token"
    text = (
        f"With contexts of {context}, W-error is about contexts, and more than the sorted column norms of W "
        f"(implied; here: the two curves differ by at least {GAP} at some d)"
    )
    name = f"beyond_column_norms_{order - 1}"
    claim = Claim(name, text, "not stated", "W-error", "figure_7_controls, table_7_controls")
    return RangeClaim(claim, GAP, 1.0, "column_norm_gap", "column_norm_gap")


def judge(claim: RangeClaim, curves: pd.DataFrame) -> dict[str, Any]:
    """The row of one claim: a curve agrees if its interval meets the range."""
    value = curves[claim.column]
    low = curves[f"{claim.interval}_low"].fillna(value)
    high = curves[f"{claim.interval}_high"].fillna(value)
    return verdict_row(claim.claim, value, (low <= claim.high) & (high >= claim.low), low, high)


def comparable(table: pd.DataFrame, order: int, synthetic: list[str]) -> pd.DataFrame:
    """Our curves that the paper's claims speak of: n-grams of that order from real text, and enough of them."""
    return table[(table.order == order) & ~table.corpus.isin(synthetic) & (table.ngrams >= LEAST_NGRAMS)]


def plain_curves(controls: pd.DataFrame, sample_size: str) -> pd.DataFrame:
    """Of the controls, the matrices as the paper makes them, from samples of that size."""
    unit = (controls.weighting == "unit") & (controls.min_count == 1)
    return controls[unit & (controls.sample_size == sample_size)]


def ngram_rows(
    table: pd.DataFrame, controls: pd.DataFrame, sample_size: str, synthetic: list[str]
) -> list[dict[str, Any]]:
    """Every claim of this file."""
    ours = comparable(table[table.source == "ours"], 5, synthetic)
    plain = plain_curves(controls, sample_size)
    rows = [judge(claim, ours) for claim in RANK_OF_LANGUAGE]
    return rows + [judge(beyond_column_norms(order), comparable(plain, order, synthetic)) for order in (5, 4, 3, 2)]
