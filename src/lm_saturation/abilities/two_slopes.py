"""Performance on both sides of a loss η: y = c + above · max(0, L − η) + below · min(0, L − η), all by least squares.

An ability that emerges (arXiv 2403.15796, Figs 1 to 3) has above = 0 and below < 0. Both slopes are free, so that a
curve that grows all along is not read as one that stays at chance.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lm_saturation.abilities.loss_shift import model_sums, solve
from lm_saturation.statistics.jackknife import jackknife_interval

GRID = 80
SHARES = (0.05, 0.95)  # of the points lie above the loss on both sides of which a slope is still to be had

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class TwoSlopes:
    """η and the slopes on both sides, performance per unit of the loss; intervals are over models."""

    break_loss: float
    above: float
    above_low: float | None
    above_high: float | None
    below: float
    below_low: float | None
    below_high: float | None


def two_slopes(losses: Array, y: Array, models: Integers) -> TwoSlopes:
    """The broken line of losses and performances (n,), models numbered (n,); η is found anew without each model."""
    order = np.argsort(models, kind="stable")
    starts = np.flatnonzero(np.diff(models[order], prepend=-1))
    losses, y = losses[order], y[order] - y.mean()
    lowest, highest = np.quantile(losses, SHARES)
    breaks = np.linspace(lowest, highest, GRID)
    distances = losses - breaks[:, None]
    bases = np.stack([np.ones_like(distances), np.maximum(0, distances), np.minimum(0, distances)], axis=2)
    sums = model_sums(bases, y, starts)  # (breaks, models, 4, 4)
    whole = sums.sum(1, keepdims=True)
    sums = np.concatenate([whole, whole - sums], axis=1)
    coefficients = solve(sums[..., :-1, :-1], sums[..., :-1, -1])  # (breaks, 1 + models, 3)
    errors = sums[..., -1, -1] - (coefficients * sums[..., :-1, -1]).sum(-1)
    best = errors.argmin(0)
    _, above, below = coefficients[best, np.arange(len(best))].T
    return TwoSlopes(
        float(breaks[best[0]]),
        float(above[0]),
        *jackknife_interval(float(above[0]), above[1:]),
        float(below[0]),
        *jackknife_interval(float(below[0]), below[1:]),
    )
