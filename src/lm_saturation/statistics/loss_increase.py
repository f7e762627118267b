"""How far a curve ends above its minimum, where that minimum is chosen among noisy values.

The minimum of many noisy values is biased downwards, so a best step that is chosen and judged on the same data finds an
increase where there is none. Here the data are split into two independent halves: the step that is best on one half is
judged on the other. If the last step is truly the best, the expected value is at most 0, so an interval above 0 is
conservative. Sequences of one document are not independent, so halves and bootstrap samples are of documents; coverage
and power are in docs/statistics.md. Intervals say what other text or other items would give, not what another training
seed would.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lm_saturation.statistics.intervals import LEVEL, SAMPLES, SEED, interval

BLOCK = 4_000_000  # numbers in memory at once: bootstrap samples times units

Numbers = NDArray[np.float64]


def loss_increase(
    values: Numbers,
    weights: Numbers,
    clusters: NDArray[np.int64] | None = None,
    samples: int = SAMPLES,
    seed: int = SEED,
) -> tuple[float | None, float | None]:
    """The 95 % interval of the increase from the best step to the last, paired over units (pieces of text or items).

    `values` (steps, units), the last row is the last step; `weights` (units,), such as the tokens of a piece of text.
    Units of one of the `clusters` (units,), such as a document, are not independent: each bootstrap sample splits the
    clusters into random halves and resamples them within each. Without clusters, each unit is one. (None, None) below
    four clusters.
    """
    sums, weights = _cluster_sums(values * weights, weights, clusters)
    count = len(weights)
    if count < 4:
        return None, None
    random = np.random.default_rng(seed)
    increases = []
    for size in _blocks(samples, max(1, BLOCK // count)):
        halves = _resampled_halves(random, size, count)
        increases.append(increase_of_halves([counts @ sums.T / (counts @ weights)[:, None] for counts in halves]))
    return interval(np.concatenate(increases), _tail(weights))


def _tail(weights: Numbers) -> float:
    """The quantile that stands for 2.5 %: an expanded percentile interval (Hesterberg 2015, Am. Stat. 69:371).

    Resampled within halves, n clusters vary by the share (n − 2) / n of their variance, and that is estimated with
    n − 2 degrees of freedom; this makes up for both. Of clusters of unequal `weights` (clusters,), n is the effective
    number (Σw)² / Σw² (Kish 1965).
    """
    number = weights.sum() ** 2 / (weights @ weights)
    freedom = max(1.0, number - 2)
    return float(stats.norm.sf(np.sqrt((freedom + 2) / freedom) * stats.t.ppf((1 + LEVEL) / 2, freedom)))


def _cluster_sums(sums: Numbers, weights: Numbers, clusters: NDArray[np.int64] | None) -> tuple[Numbers, Numbers]:
    """The sums (steps, clusters) and weights (clusters,) of each cluster, from those of its units."""
    if clusters is None:
        return sums, weights
    names, places = np.unique(clusters, return_inverse=True)
    total = np.zeros((len(names), len(sums) + 1))
    np.add.at(total, places, np.vstack([sums, weights]).T)
    return total[:, :-1].T, total[:, -1]


def increase_of_halves(means: list[Numbers]) -> Numbers:
    """The mean (samples,) over two halves (samples, steps) of the increase from the step that the other finds best."""
    best_steps = [half.argmin(1) for half in means]
    rows = np.arange(len(means[0]))
    return sum(half[:, -1] - half[rows, best] for half, best in zip(means, best_steps[::-1], strict=True)) / 2


def _blocks(total: int, size: int) -> Iterator[int]:
    for start in range(0, total, size):
        yield min(size, total - start)


def _resampled_halves(random: np.random.Generator, size: int, count: int) -> Iterator[Numbers]:
    """For both halves of `size` random splits of `count` units: how often each unit is drawn, (size, count)."""
    order = random.permuted(np.tile(np.arange(count), (size, 1)), axis=1)
    for half in (order[:, : count // 2], order[:, count // 2 :]):
        picks = np.take_along_axis(half, random.integers(half.shape[1], size=half.shape), axis=1)
        flat = (picks + np.arange(size)[:, None] * count).ravel()
        yield np.bincount(flat, minlength=size * count).reshape(size, count).astype(np.float64)
