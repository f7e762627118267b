"""Intervals of 95 %: of bootstrap samples, and Student's of means over samples or seeds."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

SAMPLES = 2000
SEED = 0
LEVEL = 0.95


def interval(values: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """The middle 95 % of bootstrap values (samples,), those that are not finite left out; empty of fewer than two."""
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return None, None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def resampled_means(values: NDArray[np.float64], samples: int = SAMPLES) -> NDArray[np.float64]:
    """Means (samples, ...) over bootstrap samples of the last axis of `values` (..., n), as sequences or items.

    Every row is resampled in the same way, so that differences of rows are paired.
    """
    number = values.shape[-1]
    weights = np.random.default_rng(SEED).multinomial(number, np.full(number, 1 / number), samples) / number
    return np.moveaxis(values @ weights.T, -1, 0)


def mean_interval(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, ...) mean over the first axis, and the ends of its 95 % t-interval; NaN where there is one value only."""
    count = len(values)
    mean = values.mean(0)
    if count < 2:
        return np.stack([mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)])
    half = stats.t.ppf(0.975, count - 1) * values.std(0, ddof=1) / np.sqrt(count)
    return np.stack([mean, mean - half, mean + half])
