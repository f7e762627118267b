"""When a metric sets in: the definitions of docs/method/saturation.md, applied to one curve."""

from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm_saturation.saturation.thresholds import ANISOTROPY_ONSET, ENTROPY_INCREASE, WARM_UP_SHARE
from lm_saturation.statistics.loss_increase import loss_increase

Numbers = NDArray[np.float64]


def loss_saturation(
    steps: NDArray[np.int64], losses: Numbers, tokens: Numbers, documents: NDArray[np.int64]
) -> dict[str, Any]:
    """The loss saturates if its increase from the best step to the final one has an interval above 0.

    Of pieces of text, `losses` (steps, pieces) in nats/token, `tokens` (pieces,) and `documents` (pieces,). The
    interval is over documents and free of the choice of the best step (`lm_saturation.statistics.loss_increase`); best
    and difference are as seen.
    """
    means = losses @ tokens / tokens.sum()
    best = int(means.argmin())
    low, high = loss_increase(losses, tokens, documents) if len(steps) > 1 else (None, None)
    saturates = low is not None and low > 0
    return saturation_row(steps, means, best, steps[best] if saturates else None) | {
        "difference_low": low,
        "difference_high": high,
        "documents": len(np.unique(documents)),
    }


def anisotropy_saturation(steps: NDArray[np.int64], values: Numbers) -> dict[str, Any]:
    """Onset: the first checkpoint above .5 after the minimum past warm-up, if that minimum is not above .5 itself."""
    best = _minimum(steps, values)
    above = np.flatnonzero(values[best:] > ANISOTROPY_ONSET) + best
    saturates = len(above) > 0 and values[best] <= ANISOTROPY_ONSET
    return saturation_row(steps, values, best, steps[above[0]] if saturates else None)


def entropy_saturation(steps: NDArray[np.int64], values: Numbers, hidden_size: int) -> dict[str, Any]:
    """Onset: the minimum past warm-up, if the curve fell to it and ends more than a tenth of its range ln d above it.

    A curve that never falls has its lowest value at the first checkpoint past warm-up and does not set in.
    """
    best = _minimum(steps, values)
    fell = best > _after_warm_up(steps)
    size = ENTROPY_INCREASE * log(hidden_size)
    saturates = fell and values[-1] - values[best] > size
    row = saturation_row(steps, values, best, steps[best] if saturates else None)
    return row | steepest_rise(steps[best:], values[best:], size) if saturates else row


def steepest_rise(steps: NDArray[np.int64], values: Numbers, size: float) -> dict[str, int]:
    """Where a curve, which ends more than `size` above its start, rises by `size` in the fewest steps.

    `rise_start_step` and `rise_steps` are as seen. The curve may start after the first of the two checkpoints and be
    there before the second, so that it takes at least `rise_steps_low`.
    """
    start, end = np.nonzero(values[None, :] - values[:, None] > size)
    forward = end > start
    start, end = start[forward], end[forward]
    taken = steps[end] - steps[start]
    at_least = np.maximum(steps[end - 1] - steps[np.minimum(start + 1, len(steps) - 1)], 0)
    first = int(taken.argmin())
    return {
        "rise_start_step": int(steps[start[first]]),
        "rise_steps": int(taken[first]),
        "rise_steps_low": int(at_least.min()),
    }


def _after_warm_up(steps: NDArray[np.int64]) -> int:
    return int(np.searchsorted(steps, WARM_UP_SHARE * steps[-1]))


def _minimum(steps: NDArray[np.int64], values: Numbers) -> int:
    start = _after_warm_up(steps)
    return start + int(values[start:].argmin())


def saturation_row(steps: NDArray[np.int64], values: Numbers, best: int, onset: Any) -> dict[str, Any]:
    """The columns of table saturation that all metrics have; `onset` is a step, or None if it does not set in."""
    return {
        "checkpoints": len(steps),
        "best_step": int(steps[best]),
        "best": float(values[best]),
        "final_step": int(steps[-1]),
        "final": float(values[-1]),
        "difference": float(values[-1] - values[best]),
        "difference_low": None,
        "difference_high": None,
        "documents": None,
        "onset_step": None if onset is None else int(onset),
        "saturates": int(onset is not None),
        "rise_start_step": None,
        "rise_steps": None,
        "rise_steps_low": None,
    }
