"""Ability as a curve over loss: is a kink sharper than every smooth curve?

Du, Zeng, Dong and Tang 2024 (arXiv 2403.15796) plot performance against loss, one point per checkpoint. Here every
comparison is out of sample: a curve fitted without a model predicts the points of that model. Points of one model are
not independent, models are; so intervals come from resampling models.

y performance, higher is better; L loss, nats; models are numbered from 0, some points (n,) each.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lm_saturation.statistics.intervals import SEED, interval

GRID = 80
MINIMUM_MODELS = 5  # fewer cannot tell what is of the models and what is of the loss

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class TippingPoint:
    """The loss η above which performance stays constant, if there is one."""

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
    def is_supported(self) -> bool:
        """Whether the kinked curve is better than every smooth one: its advantage has an interval above 0."""
        return self.advantage_low is not None and self.advantage_low > 0


def _deviations(y: Array, models: Integers) -> Array:
    """Each model's part (models,) of the sum of squares of y around its mean."""
    return np.array([((y[models == model] - y.mean()) ** 2).sum() for model in np.unique(models)])


def _resampled_advantage(errors: Array, samples: int) -> Array:
    """How much less of the variance the second curve leaves than the first (samples,), for resampled models.

    errors (3, models): each model's squared errors by the first curve, by the second, and around the mean.
    """
    number = errors.shape[-1]
    drawn = np.random.default_rng(SEED).multinomial(number, np.full(number, 1 / number), samples)
    first, second, total = errors @ drawn.T
    return (first - second) / total


def tipping_point(losses: Array, y: Array, models: Integers, samples: int) -> TippingPoint:
    """Compare a kinked curve c + a max(0, η − L), a ≥ 0, with smooth ones: all by least squares.

    line c − a L; exponential c + a exp(−b L); logistic c + a / (1 + exp(−b (η − L))).
    """
    _, models = np.unique(models, return_inverse=True)
    lowest, highest = np.quantile(losses, [0.02, 0.98])
    kinks = np.linspace(lowest, highest, GRID)
    shapes = np.maximum(0, kinks[:, None] - losses)
    kinked = CurveFamily(shapes, y, models)
    kinked_errors = kinked.out_of_sample_errors()
    name, smooth_errors = _best_smooth_family(losses, y, models)
    errors = np.array([smooth_errors, kinked_errors, _deviations(y, models)])
    best, _, floor = (values[0] for values in kinked.fit(np.ones((1, kinked.models))))
    by_point = CurveFamily(shapes, y, np.arange(len(y)))
    return TippingPoint(
        float(kinks[best]),
        *interval(kinks[by_point.fit(_two_stage_weights(models, samples))[0]]),
        float(floor),
        float(np.sqrt(kinked_errors.sum() / len(y))),
        float(np.sqrt(smooth_errors.sum() / len(y))),
        name,
        float((errors[0] - errors[1]).sum() / errors[2].sum()),
        *interval(_resampled_advantage(errors, samples)),
    )


def _best_smooth_family(losses: Array, y: Array, models: Integers) -> tuple[str, Array]:
    """The name of the smooth family that predicts best, and each model's squared error (models,) by it."""
    families = {name: CurveFamily(shapes, y, models) for name, shapes in _smooth_shapes(losses).items()}
    errors = {name: family.out_of_sample_errors() for name, family in families.items()}
    best = min(errors, key=lambda name: float(errors[name].sum()))
    return best, errors[best]


def _two_stage_weights(models: Integers, samples: int) -> Array:
    """How often each point counts (samples, n) when models are drawn, and then points of each."""
    random = np.random.default_rng(SEED)
    counts = np.bincount(models)
    drawn = random.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), samples)
    within = np.empty((samples, len(models)))
    for model, number in enumerate(counts):
        within[:, models == model] = random.multinomial(number, np.full(number, 1 / number), samples)
    return within * drawn[:, models]


def _smooth_shapes(losses: Array) -> dict[str, Array]:
    """The shapes (curves, n) of each smooth family, to be scaled; they grow as the loss falls."""
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


class CurveFamily:
    """Curves c + a f(L), a ≥ 0, f one of some shapes (curves, n); fitted through sums over each model's points."""

    def __init__(self, shapes: Array, y: Array, models: Integers) -> None:
        self.models = int(models.max()) + 1
        of_model = np.eye(self.models)[models].T  # (models, n)
        self.ones, self.y, self.yy = of_model.sum(1), of_model @ y, of_model @ y**2
        self.f, self.ff, self.fy = of_model @ shapes.T, of_model @ (shapes**2).T, of_model @ (shapes * y).T

    def fit(self, weights: Array) -> tuple[Integers, Array, Array]:
        """For each weighting of the models (weightings, models): the best shape, a and c."""
        ones, y, yy = (weights @ sums for sums in (self.ones, self.y, self.yy))
        f, ff, fy = (weights @ sums for sums in (self.f, self.ff, self.fy))  # (weightings, curves)
        spread = ff - f**2 / ones[:, None]
        slope = np.divide(fy - f * (y / ones)[:, None], spread, out=np.zeros_like(f), where=spread > 1e-12 * ff)
        slope = np.maximum(slope, 0)
        level = (y[:, None] - slope * f) / ones[:, None]
        squares = yy[:, None] - 2 * slope * fy - 2 * level * y[:, None] + slope**2 * ff
        squares += 2 * slope * level * f + level**2 * ones[:, None]
        best = squares.argmin(1)
        rows = np.arange(len(best))
        return best, slope[rows, best], level[rows, best]

    def out_of_sample_errors(self) -> Array:
        """The sum of squared errors (models,) of each model, predicted from the others."""
        best, slope, level = self.fit(1 - np.eye(self.models))
        rows = np.arange(self.models)
        f, ff, fy = (sums[rows, best] for sums in (self.f, self.ff, self.fy))
        errors = self.yy - 2 * slope * fy - 2 * level * self.y + slope**2 * ff + 2 * slope * level * f
        return np.maximum(0, errors + level**2 * self.ones)
