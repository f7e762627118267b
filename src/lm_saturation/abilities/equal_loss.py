"""Checkpoints of one model at equal loss, before and after its loss was lowest: is the ability the same?

If ability depends on loss alone (arXiv 2403.15796), it must not matter on which side of the minimum a loss is reached.
A model that saturates (arXiv 2404.07647) reaches the same losses twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lm_saturation.abilities.loss_points import CURVE_KEYS, POINT_KEYS
from lm_saturation.abilities.score_scales import loss_scale_errors, performance
from lm_saturation.io.logs import progress
from lm_saturation.statistics.intervals import SEED, interval

MINIMUM_PAIRS = 3

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pairs:
    """For each checkpoint after the minimum: performance there, and before it at the same loss, between two steps."""

    after: NDArray[np.int64]  # (pairs,) positions of the checkpoints after the minimum
    before: NDArray[np.int64]  # (pairs,) positions of the last checkpoints before it whose loss is still above
    share: Array  # (pairs,) of the way from those to the next, where the loss is the same
    early: Array  # (pairs,) performance before, interpolated
    late: Array  # (pairs,) performance after

    @property
    def difference(self) -> float:
        """Mean performance after minus before; NaN without pairs."""
        return float((self.late - self.early).mean()) if len(self.after) else float("nan")


def find_pairs(losses: Array, y: Array) -> Pairs:
    """Pairs of one model's checkpoints in training order: losses (steps,) and performance (steps,).

    Before the minimum, the loss is replaced by its running minimum, so that each loss is first reached at one place;
    between two checkpoints both loss and performance are interpolated.
    """
    paired, left, share = (part[0] for part in _first_reached(losses[None]))
    after = np.flatnonzero(paired)
    before, way = left[after], share[after]
    early = y[before] + way * (y[before + 1] - y[before])
    return Pairs(after, before, way, early, y[after])


def _first_reached(losses: Array) -> tuple[NDArray[np.bool_], NDArray[np.int64], Array]:
    """Of each checkpoint of losses (curves, steps): is it after the minimum and was its loss above it reached before?

    Where it was: the last checkpoint before the minimum whose loss is still above, and the share of the way from there
    to the next.
    """
    steps = np.arange(losses.shape[1])
    best = losses.argmin(1)[:, None]
    falling = np.minimum.accumulate(losses, 1)
    above = (falling[:, None, :] > losses[:, :, None]) & (steps < best)[:, None, :]
    left = above.sum(2) - 1  # a running minimum never rises again
    paired = (steps > best) & (left >= 0)
    left = np.where(paired, left, 0)
    start, end = (np.take_along_axis(falling, np.minimum(at, len(steps) - 1), 1) for at in (left, left + 1))
    share = np.divide(start - losses, start - end, out=np.zeros_like(losses), where=paired)
    return paired, left, share


def mean_differences(losses: Array, y: Array) -> Array:
    """The mean difference (curves,) of the pairs of each of some curves (curves, steps); NaN without pairs."""
    paired, left, share = _first_reached(losses)
    start, end = (np.take_along_axis(y, np.minimum(at, y.shape[1] - 1), 1) for at in (left, left + 1))
    differences = np.where(paired, y - start - share * (end - start), 0)
    with np.errstate(invalid="ignore"):
        return np.asarray(differences.sum(1) / paired.sum(1))


def difference_interval(
    losses: Array, y: Array, loss_errors: Array, errors: Array, samples: int, seed: int = SEED
) -> tuple[float | None, float | None]:
    """The 95 % interval of the mean difference: losses and performances drawn anew with their standard errors.

    The minimum and the pairs are found anew in each draw. Errors (steps,) count as independent between checkpoints.
    """
    noise, other = np.random.default_rng(seed).standard_normal((2, samples, len(losses)))
    return interval(mean_differences(losses + loss_errors * noise, y + errors * other))


def equal_loss_pairs(points: pd.DataFrame, samples: int) -> list[dict[str, Any]]:
    """Rows of `equal_loss`: the pairs of every model, task, metric and loss of `emergence_points`.

    `samples` draws give each interval.
    """
    curves = [rows for _, rows in points.groupby(CURVE_KEYS, sort=False)]
    return [row for rows in progress(curves, "pairs", len(curves), "model") for row in model_pairs(rows, samples)]


def model_pairs(rows: pd.DataFrame, samples: int) -> Iterator[dict[str, Any]]:
    """Rows of `equal_loss` for the points of one model, task and metric; none with fewer than three pairs."""
    rows = rows.sort_values("step")
    y, losses, steps = performance(rows), rows.loss.to_numpy(float), rows.step.to_numpy()
    pairs = find_pairs(losses, y)
    if len(pairs.after) < MINIMUM_PAIRS:
        return
    errors = loss_scale_errors(str(rows.metric.iloc[0]), rows.value, rows.stderr.astype(float))
    low, high = difference_interval(losses, y, rows.loss_error.to_numpy(float), errors, samples)
    for number, position in enumerate(pairs.after):
        yield {
            **{key: rows[key].iloc[0] for key in (*POINT_KEYS, "suite", "model", "parameters")},
            "step_before": int(steps[pairs.before[number]]),
            "step_best": int(steps[losses.argmin()]),
            "step_after": int(steps[position]),
            "loss": float(losses[position]),
            "best_loss": float(losses.min()),
            "before": float(pairs.early[number]),
            "after": float(pairs.late[number]),
            "pairs": len(pairs.after),
            "difference": pairs.difference,
            "difference_low": low,
            "difference_high": high,
        }
