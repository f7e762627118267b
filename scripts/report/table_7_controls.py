"""Rule `table_7_controls`: every control of figure 7 in numbers, and how far W-error is from its column norms alone."""

from typing import TYPE_CHECKING

import pandas as pd

from scripts.common.jobs import job
from scripts.common.tables import write_csv
from scripts.ngrams.thresholds import HALF
from scripts.report.samples import SAMPLE, mean_interval, read_samples

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

MEANS = [
    "ngrams",
    "contexts",
    "one_hot_contexts",
    "types",
    "halving_dimension",
    "column_norm_halving_dimension",
    "unigram_halving_dimension",
    "bracket",
]


def control_rows(summary: pd.DataFrame) -> pd.DataFrame:
    """One row for each sample and control, mean over seeds; the gap with its 95 % interval."""
    rows = []
    keys = [*SAMPLE, "weighting", "min_count"]
    for of, seeds in summary.groupby(keys, sort=False):
        gap, low, high = mean_interval(seeds.column_norm_gap.to_numpy(float))
        row = dict(zip(keys, of, strict=True)) | {column: float(seeds[column].mean()) for column in MEANS}
        rows.append(row | {"column_norm_gap": gap, "column_norm_gap_low": low, "column_norm_gap_high": high})
    return pd.DataFrame(rows)


def smoothed_summary(spectra: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """The same columns for smoothed rows: the contexts of the unit rows beside them, none with a single follower."""
    keys = [*SAMPLE, "seed"]
    rows = []
    for of, one in spectra.groupby([*keys, "weighting", "min_count"], sort=False):
        errors = {"": one.w_error, "column_norm_": one.column_norm_w_error, "unigram_": one.unigram_w_error}
        rows.append(
            dict(zip([*keys, "weighting", "min_count"], of, strict=True))
            | {f"{name}halving_dimension": int((error > HALF).sum()) + 1 for name, error in errors.items()}
            | {"types": len(one), "one_hot_contexts": 0, "bracket": 0.0}
            | {"column_norm_gap": (one.w_error - one.column_norm_w_error).abs().max()}
        )
    plain = summary[(summary.weighting == "unit") & (summary.min_count == 1)]
    return pd.DataFrame(rows).merge(plain[[*keys, "ngrams", "contexts"]], on=keys)


if __name__ == "__main__":
    with job(snakemake):
        summaries = read_samples("ngram_summary", snakemake.input.summaries)
        smoothed = smoothed_summary(read_samples("ngram_spectrum", snakemake.input.smoothed), summaries)
        table = control_rows(pd.concat([summaries, smoothed]))
        write_csv("table_7_controls", snakemake.output[0], table)
