"""The share of a narrow model's excess loss that its head explains, and its interval over seeds.

With losses L paired by seed (same text, same order):

    share = (L(wide trunk, head of rank r) − L(wide)) / (L(narrow, r) − L(wide))

It is a ratio of two means that both have errors. Its interval is Fieller's (1954, J. R. Stat. Soc. B 16:175): all θ for
which the t-test of mean(numerator − θ · denominator) = 0 over seeds does not reject. For normal errors it is exact,
whatever their correlation. Where the denominator is not certainly above 0, that set has no ends, and there is no
interval: nothing can be said of a share of nothing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lm_saturation.statistics.intervals import LEVEL

SEEDS = 3  # fewer have no interval: one degree of freedom says next to nothing
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Share:
    """A ratio of means over seeds and the ends of its 95 % interval, None where it has none."""

    value: float
    low: float | None
    high: float | None


def share_of(numerators: Numbers, denominators: Numbers) -> Share:
    """mean(numerators) / mean(denominators), both (seeds,) and paired; NaN where the denominators have mean 0."""
    count = len(numerators)
    top, bottom = float(numerators.mean()), float(denominators.mean())
    value = top / bottom if bottom else float("nan")
    if count < SEEDS:
        return Share(value, None, None)
    squared = float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) ** 2
    (top_variance, covariance), (_, variance) = squared * np.cov(numerators, denominators) / count
    # θ² · leading − 2 θ · linear + constant ≤ 0
    leading, linear, constant = bottom**2 - variance, top * bottom - covariance, top**2 - top_variance
    if bottom <= 0 or leading <= 0:
        return Share(value, None, None)
    root = np.sqrt(max(0.0, linear**2 - leading * constant))  # the estimate is in it: rounding alone is below 0
    return Share(value, float((linear - root) / leading), float((linear + root) / leading))
