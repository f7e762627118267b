"""Rule `table_7`: where each curve of figure 7 halves and where it becomes negligible, ours and the paper's."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scripts.common.jobs import job
from scripts.common.tables import write_csv
from scripts.ngrams.thresholds import HALF, NEGLIGIBLE
from scripts.report.samples import SAMPLE, mean_interval, read_samples

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

MEANS = ["contexts", "types", "rank", "unigram_halving_dimension", "unigram_negligible_dimension"]
INTERVALS = {"halving": "halving_dimension", "negligible": "negligible_dimension"}


def our_rows(summary: pd.DataFrame) -> list[dict[str, Any]]:
    """One row for each corpus and tokenizer: the paper's matrix (unit rows, all contexts), mean over samples."""
    plain = summary[(summary.weighting == "unit") & (summary.min_count == 1)]
    rows = []
    for keys, seeds in plain.groupby(SAMPLE, sort=False):
        row = {"source": "ours", **dict(zip(SAMPLE, keys, strict=True)), "ngrams": int(seeds.ngrams.iloc[0])}
        row |= {column: float(seeds[column].mean()) for column in MEANS}
        for name, column in INTERVALS.items():
            mean, low, high = mean_interval(seeds[column].to_numpy(float))
            row |= {column: mean, f"{name}_low": low, f"{name}_high": high}
        rows.append(row)
    return rows


def paper_rows(published: pd.DataFrame) -> list[dict[str, Any]]:
    """The same read off the paper's curves, by linear interpolation; the interval is that of the reading."""
    rows = []
    for (tokenizer, corpus), curve in published.groupby(["tokenizer", "corpus"], sort=False):
        row = {"source": "paper", "corpus": corpus, "tokenizer": tokenizer}
        for (name, column), threshold in zip(INTERVALS.items(), (HALF, NEGLIGIBLE), strict=True):
            for key, shift in ((column, 0), (f"{name}_low", -1), (f"{name}_high", 1)):
                row[key] = _crossing(curve, shift, threshold)
        rows.append(row)
    return rows


def _crossing(curve: pd.DataFrame, shift: int, threshold: float) -> float:
    errors = curve.w_error.to_numpy() + shift * curve.w_error_uncertainty.to_numpy()
    falling = np.minimum.accumulate(errors)
    return float(np.interp(-threshold, -falling, curve.dimension.to_numpy(float)))


if __name__ == "__main__":
    with job(snakemake):
        table = pd.DataFrame(
            our_rows(read_samples("ngram_summary", snakemake.input.summaries))
            + paper_rows(pd.read_csv(snakemake.input.published))
        )
        write_csv("table_7", snakemake.output[0], table)
