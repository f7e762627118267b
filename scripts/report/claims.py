"""Rule `claims`: what the papers claim, what came out here, and whether that agrees."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scripts.common.jobs import job
from scripts.common.tables import read_csv, write_csv
from scripts.ngrams.thresholds import HALVES_AT, NEGLIGIBLE, NEGLIGIBLE_AT

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

NOT_TESTED = "not tested in this configuration"
LEAST_NGRAMS = 50_000  # the paper's matrices hold about 1e5 5-grams; far smaller samples say nothing about them


GAP = 0.05  # a difference between two curves of W-error that can be seen in a figure


@dataclass(frozen=True)
class RangeClaim:
    """A claim that a number lies in a range on every curve. `column` and `interval` are of the table named."""

    claim: str
    text: str
    low: float
    high: float
    column: str
    interval: str
    published: str
    unit: str
    found_in: str


def _of_figure_7(claim: str, text: str, low: int, high: int, name: str) -> RangeClaim:
    published = f"{low:,} to {high:,}"
    return RangeClaim(claim, text, low, high, f"{name}_dimension", name, published, "dimensions", "figure_7, table_7")


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
    published = "not stated"
    found_in = "figure_7_controls, table_7_controls"
    name = f"beyond_column_norms_{order - 1}"
    return RangeClaim(name, text, GAP, 1.0, "column_norm_gap", "column_norm_gap", published, "W-error", found_in)


def judge(claim: RangeClaim, curves: pd.DataFrame) -> dict[str, Any]:
    """The row of one claim: reproduced if the interval of every curve meets the range."""
    value = curves[claim.column]
    low = curves[f"{claim.interval}_low"].fillna(value)
    high = curves[f"{claim.interval}_high"].fillna(value)
    agreeing = int(((low <= claim.high) & (high >= claim.low)).sum())
    verdict = "reproduced" if agreeing == len(curves) else "not reproduced"
    return {
        "claim": claim.claim,
        "paper": "arXiv 2404.07647",
        "text": claim.text,
        "published": claim.published,
        "ours": float(value.median()) if len(curves) else np.nan,
        "ours_low": float(low.min()) if len(curves) else np.nan,
        "ours_high": float(high.max()) if len(curves) else np.nan,
        "unit": claim.unit,
        "curves": len(curves),
        "agreeing": agreeing,
        "verdict": verdict if len(curves) else NOT_TESTED,
        "found_in": claim.found_in,
    }


def comparable(table: pd.DataFrame, order: int, synthetic: list[str]) -> pd.DataFrame:
    """Our curves that the paper's claims speak of: n-grams of that order from real text, and enough of them."""
    return table[(table.order == order) & ~table.corpus.isin(synthetic) & (table.ngrams >= LEAST_NGRAMS)]


def plain_curves(controls: pd.DataFrame, sample_size: str) -> pd.DataFrame:
    """Of the controls, the matrices as the paper makes them, from samples of that size."""
    unit = (controls.weighting == "unit") & (controls.min_count == 1)
    return controls[unit & (controls.sample_size == sample_size)]


if __name__ == "__main__":
    with job(snakemake):
        options, synthetic = snakemake.params, list(snakemake.params.synthetic)
        table = read_csv("table_7", snakemake.input.table_7)
        ours = comparable(table[table.source == "ours"], 5, synthetic)
        rows = [judge(claim, ours) for claim in RANK_OF_LANGUAGE]
        controls = plain_curves(read_csv("table_7_controls", snakemake.input.controls), str(options.sample_size))
        rows += [judge(beyond_column_norms(order), comparable(controls, order, synthetic)) for order in (5, 4, 3, 2)]
        write_csv("claims", snakemake.output[0], pd.DataFrame(rows))
