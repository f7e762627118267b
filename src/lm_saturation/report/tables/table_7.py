"""Table 7: where each curve of figure 7 halves and where it becomes negligible, ours and the paper's."""

from typing import Any

import numpy as np
import pandas as pd

from lm_saturation.figures.ngram_panels import SAMPLE
from lm_saturation.io.tables import table_columns
from lm_saturation.ngrams.w_error_thresholds import HALF, LENIENT, NEGLIGIBLE, STRICT
from lm_saturation.statistics.intervals import mean_interval

MEANS = ["contexts", "types", "rank", "unigram_halving_dimension", "unigram_negligible_dimension"]
THRESHOLDS = {"halving": HALF, "lenient": LENIENT, "negligible": NEGLIGIBLE, "strict": STRICT}  # of W-error


def our_rows(summary: pd.DataFrame) -> list[dict[str, Any]]:
    """One row for each corpus and tokenizer: the paper's matrix (unit rows, all contexts), mean over samples."""
    plain = summary[(summary.weighting == "unit") & (summary.min_count == 1)]
    rows = []
    for keys, seeds in plain.groupby(SAMPLE, sort=False):
        row = {"source": "ours", **dict(zip(SAMPLE, keys, strict=True)), "ngrams": int(seeds.ngrams.iloc[0])}
        row["samples"] = len(seeds)
        row |= {column: float(seeds[column].mean()) for column in MEANS}
        for name in THRESHOLDS:
            mean, low, high = mean_interval(seeds[f"{name}_dimension"].to_numpy(float))
            row |= {f"{name}_dimension": mean, f"{name}_low": low, f"{name}_high": high}
        rows.append(row)
    return rows


def published_rows(published: pd.DataFrame) -> list[dict[str, Any]]:
    """The same read off the paper's curves, by linear interpolation; the interval is that of the reading."""
    rows = []
    for (tokenizer, corpus), curve in published.groupby(["tokenizer", "corpus"], sort=False):
        row = {"source": "paper", "corpus": corpus, "tokenizer": tokenizer}
        for name, threshold in THRESHOLDS.items():
            for key, shift in ((f"{name}_dimension", 0), (f"{name}_low", -1), (f"{name}_high", 1)):
                row[key] = _crossing(curve, shift, threshold)
        rows.append(row)
    return rows


def _crossing(curve: pd.DataFrame, shift: int, threshold: float) -> float:
    errors = curve.w_error.to_numpy() + shift * curve.w_error_uncertainty.to_numpy()
    falling = np.minimum.accumulate(errors)
    return float(np.interp(-threshold, -falling, curve.dimension.to_numpy(float)))


def table_7(summary: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """The table, of `ngram_summary` and the paper's curves."""
    return pd.DataFrame(our_rows(summary) + published_rows(published), columns=list(table_columns("table_7")))
