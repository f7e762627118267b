"""Student's intervals of means, over samples or seeds."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats


def mean_interval(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, ...) mean over the first axis, and the ends of its 95 % t-interval; NaN where there is one value only."""
    count = len(values)
    mean = values.mean(0)
    if count < 2:
        return np.stack([mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)])
    half = stats.t.ppf(0.975, count - 1) * values.std(0, ddof=1) / np.sqrt(count)
    return np.stack([mean, mean - half, mean + half])
