"""The controls of figure 7 in numbers, and how far W-error is from that of its column norms alone."""

import pandas as pd

from lm_saturation.figures.ngram_panels import SAMPLE
from lm_saturation.io.tables import table_columns
from lm_saturation.ngrams.w_error_thresholds import HALF
from lm_saturation.statistics.intervals import mean_interval

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


WITHOUT_COUNTS = ["weighting", "min_count", "halving_dimension", "column_norm_halving_dimension"]
WITHOUT_COUNTS += ["unigram_halving_dimension", "types", "one_hot_contexts", "bracket", "column_norm_gap"]


def control_rows(summary: pd.DataFrame) -> pd.DataFrame:
    """One row for each sample and control, mean over seeds; the gap with its 95 % interval."""
    rows = []
    keys = [*SAMPLE, "weighting", "min_count"]
    for of, seeds in summary.groupby(keys, sort=False):
        gap, low, high = mean_interval(seeds.column_norm_gap.to_numpy(float))
        row = dict(zip(keys, of, strict=True)) | {column: float(seeds[column].mean()) for column in MEANS}
        row["samples"] = len(seeds)
        rows.append(row | {"column_norm_gap": gap, "column_norm_gap_low": low, "column_norm_gap_high": high})
    return pd.DataFrame(rows, columns=list(table_columns("table_7_controls")))


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
    return pd.DataFrame(rows, columns=[*keys, *WITHOUT_COUNTS]).merge(plain[[*keys, "ngrams", "contexts"]], on=keys)


def table_7_controls(summary: pd.DataFrame, smoothed_spectra: pd.DataFrame) -> pd.DataFrame:
    """The table, of `ngram_summary` and the `ngram_spectrum` of smoothed rows."""
    return control_rows(pd.concat([summary, smoothed_summary(smoothed_spectra, summary)]))
