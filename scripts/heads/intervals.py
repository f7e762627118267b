"""Bootstrap intervals of means over sequences: tokens of one sequence are not independent, sequences are."""

import numpy as np
from numpy.typing import NDArray

SAMPLES = 2000
SEED = 0
LEVEL = 0.95


def resampled_means(values: NDArray[np.float64], samples: int = SAMPLES) -> NDArray[np.float64]:
    """Means (samples, ...) over bootstrap samples of the sequences, the last axis of `values` (..., sequences).

    Every row is resampled in the same way, so that differences of rows are paired.
    """
    number = values.shape[-1]
    weights = np.random.default_rng(SEED).multinomial(number, np.full(number, 1 / number), samples) / number
    return np.moveaxis(values @ weights.T, -1, 0)


def interval(samples: NDArray[np.float64]) -> tuple[float, float]:
    """The middle 95 % of bootstrap values (samples,)."""
    low, high = np.quantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
