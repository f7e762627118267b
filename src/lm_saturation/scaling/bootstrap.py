"""Intervals of a scaling law: laws fitted to losses drawn with the noise of its models.

The checkpoints of one model lie above or below the law together, by the seed, the learning rate and whatever else the
law does not know. Resampling checkpoints takes them for independent, and gives intervals far too narrow. Here

    log L = log L_θ + model noise (one draw a model) + point noise (one draw a checkpoint)

whose variances are estimated from the residuals; new losses are drawn around the fitted law and fitted again. The
variance of model noise is known only as well as the models allow (`freedom`), so it is drawn too, from its scaled
inverse χ² distribution: with a law linear in its constants, the intervals are Student's. Coverage is in
docs/statistics.md and benchmarks/coverage_scaling.py.
"""

from collections.abc import Collection, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from lm_saturation.io.logs import progress
from lm_saturation.scaling.law import NAMES, Law, Points, fit, residuals, sensitivities

SEED = 0
CHUNK = 50  # samples that a process fits at a time
MINIMUM_SIZES = 3  # of the models of a fit: fewer do not tell A from α
BETWEEN = ("A", "alpha", "E")  # constants that differences between models determine, if they are free
VANISHING = 0.01  # share of the lowest loss below which E is next to nothing
NEGLIGIBLE = 1e-9  # share of the largest singular value below which two directions of θ are one

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Noise:
    """Standard deviations of the noise of log losses, and the degrees of freedom with which that of models is known."""

    model: float
    point: float
    between: float  # mean square between models: model² + share · point²
    share: float
    freedom: int


def estimate_noise(law: Law, points: Points, models: NDArray[np.int64], fixed: Collection[str]) -> Noise:
    """The noise about a law that was fitted to these points with constants `fixed`; `models` (n,) number the models.

    Variances by Henderson's third method: sums of squares without the constants, and without constants and models.
    Where each model has one point, all noise is the model's.
    """
    free = [place for place, name in enumerate(NAMES) if name not in fixed]
    of_model = (models[:, None] == np.unique(models)).astype(float)
    of_law = sensitivities(law, points)[:, free]
    left, rank = _without(of_law, np.column_stack([residuals(law, points), of_model]))
    inner, whole = _without(np.column_stack([of_law, of_model]), residuals(law, points)[:, None])
    within = float((inner**2).sum() / (len(models) - whole)) if len(models) > whole else 0.0
    trace = float((left[:, 1:] ** 2).sum())  # of Zᵀ(I − H)Z, which model noise is multiplied by
    freedom = of_model.shape[1] - len(set(BETWEEN) - set(fixed))
    if freedom < 1 or trace == 0:
        return Noise(np.nan, np.sqrt(within), np.nan, np.nan, 0)
    between, share = float((left[:, 0] ** 2).sum() - (inner**2).sum()) / trace, (whole - rank) / trace
    return Noise(np.sqrt(max(0.0, between - share * within)), np.sqrt(within), between, share, freedom)


def drawn_losses(law: Law, points: Points, models: NDArray[np.int64], noise: Noise, samples: int) -> Array:
    """(samples, n) log losses of models of this law, with noise of the size estimated."""
    rng = np.random.default_rng(SEED)
    expected = points.log_losses - residuals(law, points)
    between = noise.between * noise.freedom / rng.chisquare(noise.freedom, samples)
    deviation = np.sqrt(np.maximum(0.0, between - noise.share * noise.point**2))
    numbers = np.unique(models, return_inverse=True)[1]
    of_model = deviation[:, None] * rng.standard_normal((samples, numbers.max() + 1))
    return expected + of_model[:, numbers] + noise.point * rng.standard_normal((samples, len(expected)))


def refits(
    points: Points, fixed: Mapping[str, float], law: Law, log_losses: Array, pool: Executor, label: str
) -> list[Law]:
    """Laws of drawn losses (samples, n), in the same order whatever runs them; each starts from `law`."""
    chunks = [log_losses[begin : begin + CHUNK] for begin in range(0, len(log_losses), CHUNK)]
    parts = pool.map(partial(_fit_chunk, points, fixed, law), chunks)
    return [sample for part in progress(parts, f"bootstraps {label}", len(chunks), "chunk") for sample in part]


def _fit_chunk(points: Points, fixed: Mapping[str, float], law: Law, log_losses: Array) -> list[Law]:
    start = _start(law, points)
    return [fit(points.of_losses(sample), fixed, start)[0] for sample in log_losses]


def _start(law: Law, points: Points) -> Array:
    """(1, 5) where refits start: at the law, and with another E if its own vanishes, where no gradient leads back."""
    theta, lowest = law.theta(), points.log_losses.min()
    if VANISHING * np.exp(lowest) < law.E:
        return theta[None]
    return np.append(theta[:-1], lowest + np.log(0.5))[None]


def _without(basis: Array, columns: Array) -> tuple[Array, int]:
    """Columns (n, k) less what lies in the span of a basis (n, m), and the rank of the basis."""
    scaled = basis / np.maximum(np.linalg.norm(basis, axis=0), np.finfo(float).tiny)
    vectors, values, _ = np.linalg.svd(scaled, full_matrices=False)
    vectors = vectors[:, values > NEGLIGIBLE * values[0]]
    return columns - vectors @ (vectors.T @ columns), vectors.shape[1]
