"""Is there a threshold? The loss of rank-r heads as a smooth curve against one with a kink, of as many parameters.

of the rank r       smooth  L = a + b r^−γ                    kinked  L = a + b max(0, log r₀ − log r)
of the W-error e    smooth  L = a + b (1 − e)^−γ              kinked  L = a + b max(0, e − e₀)

Each has one parameter besides a straight line's two, so the lesser sum of squares is the better fit, and the
difference of Akaike's criteria is n log(SS_smooth / SS_kinked): above 0, the kink is more than a way to draw a bend.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NOTICEABLE = 0.05  # nats above the loss of the full rank: what can be seen in Fig 6b
GRID = 400
EXPONENTS = np.geomspace(0.02, 20, GRID)
LEAST_ERROR = 1e-6  # of 1 − e, where the smooth curve of W-error has its pole

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """The better of both curves, and where the threshold lies."""

    kink: float  # r₀ or e₀
    exponent: float  # γ
    criterion: float  # AIC of the smooth curve less that of the kinked one
    smooth_error: float  # root mean square, nats
    kinked_error: float
    noticeable: float  # where the loss, interpolated, is NOTICEABLE above that of the full rank


def fit(against: str, x: Array, losses: Array) -> Fit:
    """Both curves through losses (n,) at ranks or W-errors x (n,): `against` is rank or w_error. n is at least 4."""
    smooth, exponent = _least(EXPONENTS, _smooth(against, x), losses)
    kinks = _kinks(against, x)
    kinked, kink = _least(kinks, _kinked(against, x, kinks), losses)
    number, tiny = len(x), np.finfo(float).tiny
    return Fit(
        kink=kink,
        exponent=exponent,
        criterion=float(number * np.log(max(smooth, tiny) / max(kinked, tiny))),
        smooth_error=float(np.sqrt(smooth / number)),
        kinked_error=float(np.sqrt(kinked / number)),
        noticeable=noticeable(against, x, losses),
    )


def noticeable(against: str, x: Array, losses: Array) -> float:
    """Where the loss first is NOTICEABLE above that at the full rank, going down in rank; NaN if it never is.

    Linear in log rank or in W-error between two points.
    """
    scale = -np.log(x) if against == "rank" else x
    places = np.argsort(scale)
    scale, rise = scale[places], losses[places] - losses[places][0] - NOTICEABLE
    above = np.flatnonzero(rise > 0)
    if not len(above):
        return float("nan")
    right = above[0]
    share = -rise[right - 1] / (rise[right] - rise[right - 1])
    found = scale[right - 1] + share * (scale[right] - scale[right - 1])
    return float(np.exp(-found) if against == "rank" else found)


def _smooth(against: str, x: Array) -> Array:
    """(exponents, n) the curves to scale."""
    return _base(against, x, x) ** -EXPONENTS[:, None]


def _base(against: str, places: Array, x: Array) -> Array:
    """What is raised to −γ, as a share of its least value over the points x, so that no power of it overflows."""
    if against == "rank":
        return places / x.min()
    return np.maximum(1 - places, LEAST_ERROR) / max(1 - x.max(), LEAST_ERROR)


def _kinks(against: str, x: Array) -> Array:
    """Where a kink can be: between the second and the last but one of the points, so that both sides are seen."""
    inner = np.sort(x)[1:-1]
    return (np.geomspace if against == "rank" else np.linspace)(inner[0], inner[-1], GRID)


def _kinked(against: str, x: Array, kinks: Array) -> Array:
    rise = np.log(kinks[:, None] / x) if against == "rank" else x - kinks[:, None]
    return np.maximum(0, rise)


def _least(grid: Array, curves: Array, losses: Array) -> tuple[float, float]:
    """The least sum of squares of a + b · curve over the curves (grid, n), and the parameter that gives it."""
    centred, target = curves - curves.mean(1, keepdims=True), losses - losses.mean()
    spread = (centred**2).sum(1)
    slope = np.divide(centred @ target, spread, out=np.zeros(len(grid)), where=spread > 0)
    squares = ((target - slope[:, None] * centred) ** 2).sum(1)
    best = int(squares.argmin())
    return float(squares[best]), float(grid[best])


def curve(against: str, kind: str, found: Fit, x: Array, losses: Array, places: Array) -> Array:
    """The values at `places` of the `smooth` or `kinked` curve that was found for losses (n,) at x (n,)."""
    if kind == "kinked":
        own, wanted = (_kinked(against, values, np.array([found.kink]))[0] for values in (x, places))
    else:
        own, wanted = (_base(against, values, x) ** -found.exponent for values in (x, places))
    slope, level = np.polyfit(own, losses, 1)
    return level + slope * wanted
