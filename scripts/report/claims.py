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


@dataclass(frozen=True)
class RangeClaim:
    """A claim that a number lies in a published range on every curve. `column` and `interval` are of table_7."""

    claim: str
    text: str
    low: float
    high: float
    column: str
    interval: str


RANK_OF_LANGUAGE = [
    RangeClaim(
        "w_error_halves",
        "The W-error of 5-gram matrices halves when 1000 to 2000 dimensions are kept",
        *HALVES_AT,
        "halving_dimension",
        "halving",
    ),
    RangeClaim(
        "w_error_negligible",
        f"It becomes negligible (here: at most {NEGLIGIBLE}) after 10,000 to 15,000 dimensions",
        *NEGLIGIBLE_AT,
        "negligible_dimension",
        "negligible",
    ),
]


def judge(claim: RangeClaim, curves: pd.DataFrame) -> dict[str, Any]:
    """The row of one claim: reproduced if the interval of every curve meets the published range."""
    value = curves[claim.column]
    low = curves[f"{claim.interval}_low"].fillna(value)
    high = curves[f"{claim.interval}_high"].fillna(value)
    agreeing = int(((low <= claim.high) & (high >= claim.low)).sum())
    verdict = "reproduced" if agreeing == len(curves) else "not reproduced"
    return {
        "claim": claim.claim,
        "paper": "arXiv 2404.07647",
        "text": claim.text,
        "published": f"{claim.low:,.0f} to {claim.high:,.0f}",
        "ours": float(value.median()) if len(curves) else np.nan,
        "ours_low": float(low.min()) if len(curves) else np.nan,
        "ours_high": float(high.max()) if len(curves) else np.nan,
        "unit": "dimensions",
        "curves": len(curves),
        "agreeing": agreeing,
        "verdict": verdict if len(curves) else NOT_TESTED,
        "found_in": "figure_7, table_7",
    }


def comparable(table: pd.DataFrame, order: int, synthetic: list[str]) -> pd.DataFrame:
    """Our curves that the paper's claims speak of: 5-grams of real text, and enough of them."""
    real = (table.source == "ours") & ~table.corpus.isin(synthetic)
    return table[real & (table.ngrams >= LEAST_NGRAMS) & (order == 5)]


if __name__ == "__main__":
    with job(snakemake):
        ours = comparable(
            read_csv("table_7", snakemake.input.table_7), snakemake.params.order, snakemake.params.synthetic
        )
        write_csv("claims", snakemake.output[0], pd.DataFrame([judge(claim, ours) for claim in RANK_OF_LANGUAGE]))
