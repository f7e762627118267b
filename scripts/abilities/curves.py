"""Ability as a curve over loss: one for all models, or another for each size; with a tipping point, or smooth.

Du, Zeng, Dong and Tang 2024 (arXiv 2403.15796) plot performance against loss, one point a checkpoint. Here every
question is asked out of sample: a curve that was fitted without a model foretells that model's points. Points of one
model are not independent, models are; so intervals come from resampling models.

y performance, more is better; L loss, nats; models are numbered from 0, some points (n,) each.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from scripts.common.intervals import SEED, interval

GRID = 80
LEAST_MODELS = 5  # fewer cannot tell what is of the models and what is of the loss
SHIFTS = np.linspace(-1, 1, 21)  # of the loss by a factor e of size, as a share of the spread of losses

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SizeEffect:
    """What size adds to loss. Shares are of the variance of y, out of sample."""

    common: float  # share that one curve over loss explains
    sized: float  # the same where size may shift the loss
    extra: float  # the difference
    extra_low: float | None
    extra_high: float | None
    shift: float  # nats of loss that ten times the parameters are worth, beyond the loss they have


@dataclass(frozen=True)
class Tipping:
    """Is there a loss above which nothing is learnt?"""

    point: float  # η of the kinked curve
    point_low: float | None
    point_high: float | None
    floor: float  # performance above η
    kinked_error: float  # root mean square out of sample
    smooth_error: float  # of the best smooth curve
    smooth: str  # its name
    advantage: float  # share of the variance of y that the kink explains beyond it, out of sample
    advantage_low: float | None
    advantage_high: float | None

    @property
    def found(self) -> bool:
        """Is the kinked curve better than every smooth one, whichever models are drawn?"""
        return self.advantage_low is not None and self.advantage_low > 0


def size_effect(losses: Array, y: Array, sizes: Array, models: NDArray[np.int64], samples: int) -> SizeEffect:
    """Does size explain performance beyond loss?

    The curve is isotonic, the best that never falls as the loss falls. With size, it is one over L + γ log N: the same
    performance at another loss. γ is chosen without the model that is foretold.
    """
    spread = float(np.ptp(losses)) or 1.0
    centred = np.log(sizes) - np.log(sizes).mean()
    gammas = SHIFTS * spread / max(float(np.ptp(centred)), 1e-9)
    without, with_size = [], []
    for model in np.unique(models):
        own = models == model
        fits = [_isotonic(losses, y, centred, gamma, ~own) for gamma in gammas]
        plain = fits[len(gammas) // 2]
        best = min(range(len(gammas)), key=lambda place: fits[place][2])
        without.append(_error(plain, losses[own], y[own]))
        with_size.append(_error(fits[best], losses[own] + gammas[best] * centred[own], y[own]))
    total = _totals(y, models)
    parts = np.array([without, with_size, total])
    everything = [_isotonic(losses, y, centred, gamma, np.ones(len(y), bool)) for gamma in gammas]
    shift = gammas[min(range(len(gammas)), key=lambda place: everything[place][2])]
    low, high = interval(_resampled_advantage(parts, samples))
    common, sized = (1 - parts[place].sum() / parts[2].sum() for place in (0, 1))
    return SizeEffect(common, sized, sized - common, low, high, float(-shift * np.log(10)))


def _isotonic(
    losses: Array, y: Array, sizes: Array, gamma: float, used: NDArray[np.bool_]
) -> tuple[Array, Array, float]:
    """Places, heights and sum of squares of the isotonic curve over L + γ log N of the points that are used."""
    shifted = losses[used] + gamma * sizes[used]
    order = np.argsort(shifted, kind="stable")
    heights = isotonic_regression(y[used][order], increasing=False).x
    return shifted[order], heights, float(((y[used][order] - heights) ** 2).sum())


def _error(fit: tuple[Array, Array, float], losses: Array, y: Array) -> float:
    return float(((np.interp(losses, fit[0], fit[1]) - y) ** 2).sum())


def _totals(y: Array, models: NDArray[np.int64]) -> Array:
    """(models,) each model's part of the sum of squares of y around its mean."""
    return np.array([((y[models == model] - y.mean()) ** 2).sum() for model in np.unique(models)])


def _resampled_advantage(parts: Array, samples: int) -> Array:
    """(samples,) how much less of the variance one curve leaves than another, for bootstrap samples of the models.

    parts (3, models): each model's squared errors by the other curve, by the one, and around the mean.
    """
    number = parts.shape[-1]
    drawn = np.random.default_rng(SEED).multinomial(number, np.full(number, 1 / number), samples)
    other, one, total = parts @ drawn.T
    return (other - one) / total


def tipping_point(losses: Array, y: Array, models: NDArray[np.int64], samples: int) -> Tipping:
    """A broken curve c + a max(0, η − L), a ≥ 0, against smooth ones: all by least squares.

    line c − a L; exponential c + a exp(−b L); logistic c + a / (1 + exp(−b (η − L))).
    """
    _, numbered = np.unique(models, return_inverse=True)
    lowest, highest = np.quantile(losses, [0.02, 0.98])
    kinks = np.linspace(lowest, highest, GRID)
    kinked = _Family(np.maximum(0, kinks[:, None] - losses), y, numbered)
    smooth = {name: _Family(shapes, y, numbered) for name, shapes in _smooth(losses).items()}
    errors = {name: family.out_of_sample() for name, family in smooth.items()}
    name = min(errors, key=lambda one: float(errors[one].sum()))
    own = kinked.out_of_sample()
    parts = np.array([errors[name], own, _totals(y, numbered)])
    low, high = interval(_resampled_advantage(parts, samples))
    everything = np.ones((1, kinked.number))
    place, _, floor = (values[0] for values in kinked.fit(everything))
    shapes = np.maximum(0, kinks[:, None] - losses)
    drawn = _Family(shapes, y, np.arange(len(y)))
    points = kinks[drawn.fit(_two_stage(numbered, samples))[0]]
    return Tipping(
        float(kinks[place]),
        *interval(points),
        float(floor),
        float(np.sqrt(own.sum() / len(y))),
        float(np.sqrt(errors[name].sum() / len(y))),
        name,
        float((parts[0] - parts[1]).sum() / parts[2].sum()),
        low,
        high,
    )


def _two_stage(models: NDArray[np.int64], samples: int) -> Array:
    """(samples, n) how often each point counts when models are drawn, and then points of each."""
    random = np.random.default_rng(SEED)
    counts = np.bincount(models)
    drawn = random.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), samples)
    within = np.empty((samples, len(models)))
    for model, number in enumerate(counts):
        within[:, models == model] = random.multinomial(number, np.full(number, 1 / number), samples)
    return within * drawn[:, models]


def _smooth(losses: Array) -> dict[str, Array]:
    """(curves, n) the shapes of each smooth family, to be scaled; they rise as the loss falls."""
    low, high = losses.min(), losses.max()
    spread = max(float(high - low), 1e-9)
    rates = np.geomspace(0.5, 50, GRID) / spread
    middles = np.linspace(low, high, GRID // 2)
    steepness = np.geomspace(1, 50, GRID // 4) / spread
    logistic = 1 / (1 + np.exp(-steepness[:, None, None] * (middles[None, :, None] - losses)))
    return {
        "line": (high - losses)[None],
        "exponential": np.exp(-rates[:, None] * (losses - low)),
        "logistic": logistic.reshape(-1, len(losses)),
    }


class _Family:
    """Curves c + a f(L), f one of some shapes (curves, n), through sums over each model's points."""

    def __init__(self, shapes: Array, y: Array, models: NDArray[np.int64]) -> None:
        self.number = int(models.max()) + 1
        of_model = np.eye(self.number)[models].T  # (models, n)
        self.ones, self.y, self.yy = of_model.sum(1), of_model @ y, of_model @ y**2
        self.f, self.ff, self.fy = of_model @ shapes.T, of_model @ (shapes**2).T, of_model @ (shapes * y).T

    def fit(self, drawn: Array) -> tuple[NDArray[np.int64], Array, Array]:
        """For each weighting of the models (weightings, models): the best shape, a and c."""
        ones, y, yy = (drawn @ sums for sums in (self.ones, self.y, self.yy))
        f, ff, fy = (drawn @ sums for sums in (self.f, self.ff, self.fy))  # (weightings, curves)
        spread = ff - f**2 / ones[:, None]
        slope = np.divide(fy - f * (y / ones)[:, None], spread, out=np.zeros_like(f), where=spread > 1e-12 * ff)
        slope = np.maximum(slope, 0)
        level = (y[:, None] - slope * f) / ones[:, None]
        squares = yy[:, None] - 2 * slope * fy - 2 * level * y[:, None] + slope**2 * ff
        squares += 2 * slope * level * f + level**2 * ones[:, None]
        best = squares.argmin(1)
        rows = np.arange(len(best))
        return best, slope[rows, best], level[rows, best]

    def out_of_sample(self) -> Array:
        """(models,) the sum of squared errors of each model, foretold from the others."""
        best, slope, level = self.fit(1 - np.eye(self.number))
        rows = np.arange(self.number)
        f, ff, fy = (sums[rows, best] for sums in (self.f, self.ff, self.fy))
        errors = self.yy - 2 * slope * fy - 2 * level * self.y + slope**2 * ff + 2 * slope * level * f
        return np.maximum(0, errors + level**2 * self.ones)
