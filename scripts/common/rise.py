"""How far a curve ends above its least point, when that point is chosen among noisy ones.

The least of many noisy values is too low, so a best step that is chosen and judged on the same data finds a rise where
there is none. Here the data are cut into two independent halves: the step that is best on one is judged on the other.
If the last step is truly the best, the expected value is at most 0, so an interval above 0 errs on the safe side.
Intervals say what other text or other items would give, not what another seed of training would.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from scripts.common.intervals import SAMPLES, SEED, interval

BLOCK = 4_000_000  # numbers in memory at once: bootstrap samples times things

Numbers = NDArray[np.float64]


def rise(
    values: Numbers, weights: Numbers, samples: int = SAMPLES, seed: int = SEED
) -> tuple[float | None, float | None]:
    """The 95 % interval of the rise from the best step to the last, paired over things (sequences, items).

    values (steps, things), the last row is the last step; weights (things,), as tokens of a sequence. Each bootstrap
    sample cuts the things into random halves and resamples within each. (None, None) below four things.
    """
    count = values.shape[1]
    if count < 4:
        return None, None
    random = np.random.default_rng(seed)
    rises = []
    for size in _blocks(samples, max(1, BLOCK // count)):
        halves = [(counts * weights) / (counts @ weights)[:, None] for counts in _resampled_halves(random, size, count)]
        rises.append(_rise_of_halves([shares @ values.T for shares in halves]))
    return interval(np.concatenate(rises))


def rise_of_estimates(
    values: Numbers, errors: Numbers, samples: int = SAMPLES, seed: int = SEED
) -> tuple[float | None, float | None]:
    """The same interval where only estimates (steps,) and their standard errors (steps,) are known.

    y + s z and y − s z are independent, with twice the variance of y, if z is normal ("data fission", Rasines and
    Young 2023, Biometrika 110; Leiner et al. 2023, arXiv 2112.11079): two halves, made of the estimates alone. Errors
    count as independent between steps; where steps share their items, as in one benchmark, that errs on the safe side.
    """
    random = np.random.default_rng(seed)
    cut, first, second = random.standard_normal((3, samples, len(values)))
    halves = [values + errors * (cut + np.sqrt(2) * first), values + errors * (np.sqrt(2) * second - cut)]
    return interval(_rise_of_halves(halves))


def _rise_of_halves(means: list[Numbers]) -> Numbers:
    """(samples,) of two halves (samples, steps): the mean of the rises from the step that the other half finds best."""
    chosen = [one.argmin(1) for one in means]
    rows = np.arange(len(means[0]))
    return sum(one[:, -1] - one[rows, best] for one, best in zip(means, chosen[::-1], strict=True)) / 2


def _blocks(total: int, size: int) -> Iterator[int]:
    for start in range(0, total, size):
        yield min(size, total - start)


def _resampled_halves(random: np.random.Generator, size: int, count: int) -> Iterator[Numbers]:
    """For both halves of `size` random cuts of `count` things: how often each is drawn, (size, count)."""
    order = random.permuted(np.tile(np.arange(count), (size, 1)), axis=1)
    for half in (order[:, : count // 2], order[:, count // 2 :]):
        picks = np.take_along_axis(half, random.integers(half.shape[1], size=half.shape), axis=1)
        flat = (picks + np.arange(size)[:, None] * count).ravel()
        yield np.bincount(flat, minlength=size * count).reshape(size, count).astype(np.float64)
