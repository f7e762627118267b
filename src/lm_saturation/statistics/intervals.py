"""Intervals of 95 %: percentiles of bootstrap samples, and Student's t of means over samples or seeds."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

SAMPLES = 2000  # of a bootstrap, where nothing else is said
SEED = 0
LEVEL = 0.95


def interval(values: NDArray[np.float64], tail: float = (1 - LEVEL) / 2) -> tuple[float | None, float | None]:
    """The quantiles `tail` and 1 − `tail` of the finite values of a bootstrap (samples,); (None, None) below two."""
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return None, None
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)


def resampled_means(values: NDArray[np.float64], samples: int = SAMPLES) -> NDArray[np.float64]:
    """Means (samples, ...) over bootstrap samples of the last axis of `values` (..., n), as sequences or items.

    Every row is resampled in the same way, so that differences of rows are paired.
    """
    number = values.shape[-1]
    weights = np.random.default_rng(SEED).multinomial(number, np.full(number, 1 / number), samples) / number
    return np.moveaxis(values @ weights.T, -1, 0)


def mean_interval(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, ...) mean over the first axis, and the ends of its 95 % t-interval; the ends are NaN below two values."""
    count = len(values)
    mean = values.mean(0)
    if count < 2:
        return np.stack([mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)])
    half = stats.t.ppf((1 + LEVEL) / 2, count - 1) * values.std(0, ddof=1) / np.sqrt(count)
    return np.stack([mean, mean - half, mean + half])


def correlation_interval(pairs: NDArray[np.float64], ranks: bool, samples: int = SAMPLES) -> tuple[float, float, float]:
    """Correlation of pairs (n, 2), Spearman's with `ranks`, else Pearson's, and its 95 % interval.

    A bootstrap over pairs on Fisher's scale, of which the middle and the spread are taken.
    """
    random = np.random.default_rng(SEED)
    drawn = pairs[random.integers(len(pairs), size=(samples, len(pairs)))]
    if ranks:
        drawn, pairs = np.asarray(stats.rankdata(drawn, axis=1)), np.asarray(stats.rankdata(pairs, axis=0))
    centred = drawn - drawn.mean(1, keepdims=True)
    with np.errstate(invalid="ignore"):
        values = (centred[..., 0] * centred[..., 1]).sum(1) / np.sqrt((centred**2).sum(1).prod(1))
    error = np.nanstd(np.arctanh(np.clip(values, -1 + 1e-9, 1 - 1e-9)))
    value = float(np.asarray(np.corrcoef(pairs.T))[0, 1])
    half = stats.norm.isf((1 - LEVEL) / 2) * error
    low, high = np.tanh(np.arctanh(np.clip(value, -1 + 1e-9, 1 - 1e-9)) + np.array([-half, half]))
    return value, float(low), float(high)
