"""Checkpoints of one model at equal loss, before and after its loss was least: is the ability the same?

If ability depends on loss alone (arXiv 2403.15796), it must not matter on which side of the minimum a loss is reached.
A model that saturates (arXiv 2404.07647) reaches the same losses twice.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scripts.common.intervals import SEED, interval

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pairs:
    """For each checkpoint after the minimum: performance there, and before it at the same loss, between two steps."""

    after: NDArray[np.int64]  # (pairs,) places of the checkpoints after the minimum
    before: NDArray[np.int64]  # (pairs,) places of the last checkpoints before it whose loss is still above
    share: Array  # (pairs,) of the way from those to the next, where the loss is the same
    early: Array  # (pairs,) performance before, interpolated
    late: Array  # (pairs,) performance after

    @property
    def difference(self) -> float:
        """Mean performance after less before; NaN without pairs."""
        return float((self.late - self.early).mean()) if len(self.after) else float("nan")


def find_pairs(losses: Array, y: Array) -> Pairs:
    """Pairs of one model's checkpoints in training order: losses (steps,) and performance (steps,).

    Before the minimum, the loss is taken as the least so far, so that each loss is first reached at one place; between
    two checkpoints both loss and performance are interpolated.
    """
    best = int(losses.argmin())
    falling = np.minimum.accumulate(losses[: best + 1])
    after, before, share = [], [], []
    for place in range(best + 1, len(losses)):
        above = np.flatnonzero(falling > losses[place])
        if len(above) and above[-1] < best:
            left = int(above[-1])
            after.append(place)
            before.append(left)
            share.append((falling[left] - losses[place]) / (falling[left] - falling[left + 1]))
    at, lefts, way = np.array(after, np.int64), np.array(before, np.int64), np.array(share)
    early = y[lefts] + way * (y[lefts + 1] - y[lefts])
    return Pairs(at, lefts, way, early, y[at])


def difference_interval(
    losses: Array, y: Array, loss_errors: Array, errors: Array, samples: int, seed: int = SEED
) -> tuple[float | None, float | None]:
    """The 95 % interval of the mean difference: losses and performances drawn anew with their standard errors.

    The minimum and the pairs are found anew in each draw. Errors (steps,) count as independent between checkpoints.
    """
    random = np.random.default_rng(seed)
    drawn = [
        find_pairs(
            losses + loss_errors * random.standard_normal(len(losses)), y + errors * random.standard_normal(len(y))
        ).difference
        for _ in range(samples)
    ]
    return interval(np.array(drawn))
