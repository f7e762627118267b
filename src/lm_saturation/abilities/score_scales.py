"""Scores of all metrics on scales that can be compared: a loss scale, where lower is better, and performance."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PERPLEXITIES = ["perplexity", "word_perplexity", "byte_perplexity"]
LIKELIHOODS = [*PERPLEXITIES, "bits_per_byte"]  # metrics of a text, which are no mean over items
LOWER_IS_BETTER = [*LIKELIHOODS, "brier"]
NORMAL_MEDIAN = 0.6745  # median absolute value of a standard normal

Array = NDArray[np.float64]


def loss_scale(metric: str, values: Any) -> Array:
    """Scores so that lower is better: a perplexity's logarithm (nats), the negative of an accuracy."""
    values = np.asarray(values, float)
    if metric in PERPLEXITIES:
        return np.log(values)
    return values if metric in LOWER_IS_BETTER else -values


def loss_scale_errors(metric: str, values: Any, errors: Any) -> Array:
    """Standard errors (steps,) of scores (steps,) on the loss scale; where they are not known, estimated.

    The second differences of a smooth curve with errors s have variance 6 s²; their median size is robust.
    """
    values, errors = np.asarray(values, float), np.asarray(errors, float)
    if np.isnan(errors).any():
        second = np.abs(np.diff(loss_scale(metric, values), 2))
        return np.full(len(values), np.median(second) / NORMAL_MEDIAN / np.sqrt(6)) if len(second) else errors
    return errors / values if metric in PERPLEXITIES else errors


def performance_sign(metric: str) -> int:
    """What turns a mean over items into performance, of which higher is better: -1 for a Brier score, else 1."""
    return -1 if metric == "brier" else 1


def performance(rows: pd.DataFrame) -> Array:
    """Performance (n,), higher is better, of rows of `ability_scores` of one metric that is a mean over items."""
    return rows.value.to_numpy(float) * performance_sign(rows.metric.iloc[0])
