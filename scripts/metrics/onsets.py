"""When a metric sets in: the thresholds of docs/method.md, and the functions that apply them to one curve."""

from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

WARM_UP = 0.05  # share of the steps in which nothing but the loss is judged: metrics still leave their initial values
ANISOTROPY_ONSET = 0.5  # mean cosine
ENTROPY_RISE = 0.1  # share of ln d; in the paper's Fig 5 small heads rise by .83 to .93 of it, large ones by .01

Numbers = NDArray[np.float64]


def anisotropy_saturation(steps: NDArray[np.int64], values: Numbers) -> dict[str, Any]:
    """Onset: the first checkpoint above .5 after the minimum past warm-up, if that minimum is not above .5 itself."""
    best = _minimum(steps, values)
    above = np.flatnonzero(values[best:] > ANISOTROPY_ONSET) + best
    saturates = len(above) > 0 and values[best] <= ANISOTROPY_ONSET
    return saturation_row(steps, values, best, steps[above[0]] if saturates else None)


def entropy_saturation(steps: NDArray[np.int64], values: Numbers, hidden_size: int) -> dict[str, Any]:
    """Onset: the minimum past warm-up, if the curve fell to it and ends more than a tenth of its range ln d above it.

    A curve that only ever rises has its least value at the first checkpoint past warm-up and does not set in.
    """
    best = _minimum(steps, values)
    fell = best > _after_warm_up(steps)
    saturates = fell and values[-1] - values[best] > ENTROPY_RISE * log(hidden_size)
    return saturation_row(steps, values, best, steps[best] if saturates else None)


def _after_warm_up(steps: NDArray[np.int64]) -> int:
    return int(np.searchsorted(steps, WARM_UP * steps[-1]))


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
        "onset_step": None if onset is None else int(onset),
        "saturates": int(onset is not None),
    }
