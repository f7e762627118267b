"""The scaling law L(N, T) = A/N^α + B/T^β + E, and its fit (Hoffmann et al. 2022, arXiv 2203.15556, appendix D).

N parameters, T tokens, L in nats/token. Written in θ = (a, α, b, β, e) with A = exp a, B = exp b, E = exp e:

    log L = LSE(a − α log N, b − β log T, e)

The objective is the sum, not the mean, of Huber_δ(log L_θ − log L) with δ = 1e-3, here over δ², so that an optimizer's
absolute tolerances mean something (averaging lets L-BFGS stop early: Besiroglu et al. 2024, arXiv 2404.10102).
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Array = NDArray[np.float64]

DELTA = 1e-3
NAMES = ["A", "alpha", "B", "beta", "E"]
LOGARITHMIC = np.array([True, False, True, False, True])  # of NAMES, those whose logarithm is in θ
GRID = {  # of starting points, in θ; Hoffmann et al., with closer exponents
    "A": [0.0, 5.0, 10.0, 15.0, 20.0, 25.0],
    "alpha": [0.0, 0.25, 0.5, 1.0, 1.5, 2.0],
    "B": [0.0, 5.0, 10.0, 15.0, 20.0, 25.0],
    "beta": [0.0, 0.25, 0.5, 1.0, 1.5, 2.0],
    "E": [-1.0, -0.5, 0.0, 0.5, 1.0],
}
TERM = (-20.0, 10.0)  # logarithms of a term of the loss that are searched, at the mean of log N or log T
EXPONENT = (0.0, 3.0)
POLISHED = 12  # starting points of the grid from which L-BFGS-B runs: those of the lowest objective
OPTIONS = {"maxiter": 1000, "maxfun": 2000, "ftol": 1e-12, "gtol": 1e-6, "maxcor": 20}


@dataclass(frozen=True)
class Law:
    """The five constants."""

    A: float
    alpha: float
    B: float
    beta: float
    E: float

    def loss(self, parameters: Array, tokens: Array) -> Array:
        """Nats/token of models of so many parameters, trained on so many tokens."""
        return self.A / parameters**self.alpha + self.B / tokens**self.beta + self.E

    def theta(self) -> Array:
        """(a, α, b, β, e)."""
        values = np.array(astuple(self))
        return np.where(LOGARITHMIC, np.log(np.where(LOGARITHMIC, values, 1.0)), values)


CONSTANTS = {
    "hoffmann": Law(406.4, 0.34, 410.7, 0.28, 1.69),  # as printed in its eq. 10; the paper fixes B, β and E to these
    "hoffmann_unrounded": Law(406.4, 0.3392, 410.7, 0.2849, 1.6934),  # in the comments of its source (Besiroglu et al.)
    "besiroglu": Law(482.01, 0.3478, 2085.43, 0.3658, 1.8172),  # arXiv 2404.10102, table 1
}
PAPER = Law(119.09, 0.246, 410.7, 0.28, 1.69)  # arXiv 2404.07647, section 3


def from_theta(theta: Array) -> Law:
    """The law of (a, α, b, β, e)."""
    return Law(*np.where(LOGARITHMIC, np.exp(np.where(LOGARITHMIC, theta, 0.0)), theta).tolist())


@dataclass(frozen=True)
class Points:
    """Logarithms (n,) of parameters, tokens and losses of models; `weights` (n,) say how often each counts."""

    log_parameters: Array
    log_tokens: Array
    log_losses: Array
    weights: Array

    def weighted(self, weights: Array) -> "Points":
        """The same points with other weights (n,)."""
        return Points(self.log_parameters, self.log_tokens, self.log_losses, weights)

    def of_losses(self, log_losses: Array) -> "Points":
        """The same models with other losses (n,)."""
        return Points(self.log_parameters, self.log_tokens, log_losses, self.weights)


def make_points(parameters: Array, tokens: Array, losses: Array) -> Points:
    """Points of N, T and L (n,), each of weight 1."""
    n, t, loss = (np.log(np.asarray(values, float)) for values in (parameters, tokens, losses))
    return Points(n, t, loss, np.ones(len(losses)))


def objective(theta: Array, points: Points) -> tuple[float, Array]:
    """The objective and its gradient (5,) at θ."""
    log_losses, (first, second, third) = _terms(theta, points)
    residual = log_losses - points.log_losses
    clipped = np.clip(residual, -DELTA, DELTA)
    slope = points.weights * clipped / DELTA**2
    value = (slope * (residual - clipped / 2)).sum()
    first, second, third = slope * first, slope * second, slope * third
    gradient = first.sum(), -first @ points.log_parameters, second.sum(), -second @ points.log_tokens, third.sum()
    return float(value), np.array(gradient)


def residuals(law: Law, points: Points) -> Array:
    """(n,) log losses less those of the law."""
    return points.log_losses - _terms(law.theta(), points)[0]


def sensitivities(law: Law, points: Points) -> Array:
    """(n, 5) derivatives of the law's log losses by θ."""
    first, second, third = _terms(law.theta(), points)[1]
    return np.stack([first, -first * points.log_parameters, second, -second * points.log_tokens, third], 1)


def _terms(theta: Array, points: Points) -> tuple[Array, tuple[Array, Array, Array]]:
    """(n,) log losses of the law, and the shares of its three terms in the loss."""
    a, alpha, b, beta, e = theta
    first, second = a - alpha * points.log_parameters, b - beta * points.log_tokens
    highest = np.maximum(np.maximum(first, second), e)
    first, second, third = np.exp(first - highest), np.exp(second - highest), np.exp(e - highest)
    total = first + second + third
    return highest + np.log(total), (first / total, second / total, third / total)


def fit(points: Points, fixed: Mapping[str, float] | None = None, starts: Array | None = None) -> tuple[Law, float]:
    """The law of the lowest objective, and that objective. `fixed` names constants that are not fitted.

    `starts` (k, 5) are starting points in θ; without any, the best of a grid.
    """
    free = np.array([name not in (fixed or {}) for name in NAMES])
    held = Law(**{name: (fixed or {}).get(name, 1.0) for name in NAMES}).theta()
    if starts is None:
        starts = _grid(points, free, held)
    centre = _centre(points, free)
    back = np.linalg.inv(centre)
    bounds = [bound for bound, searched in zip(_bounds(centre), free, strict=True) if searched]

    def of_free(values: Array) -> tuple[float, Array]:
        value, gradient = objective(centre @ _filled(values, free, held), points)
        return value, (centre.T @ gradient)[free]

    best, lowest = held, np.inf
    lower, upper = np.array(bounds).T if bounds else (None, None)
    for start in np.where(free, starts, held):
        within = np.clip((back @ start)[free], lower, upper)
        result = minimize(of_free, within, method="L-BFGS-B", jac=True, bounds=bounds, options=OPTIONS)
        if result.fun < lowest:
            best, lowest = centre @ _filled(result.x, free, held), float(result.fun)
    return from_theta(best), lowest


def _centre(points: Points, free: NDArray[np.bool_]) -> Array:
    """(5, 5) from the coordinates that are searched to θ: a is taken at the mean log N, b at the mean log T.

    A constant and its exponent are nearly one direction otherwise, along which L-BFGS crawls.
    """
    centre = np.eye(5)
    for constant, exponent, logs in ((0, 1, points.log_parameters), (2, 3, points.log_tokens)):
        if free[constant] and free[exponent]:
            centre[constant, exponent] = logs.mean()
    return centre


def _bounds(centre: Array) -> list[tuple[float, float]]:
    """Of the coordinates that are searched; beyond them a term of the loss would vanish or overflow."""
    constants = [TERM if centre[place, place + 1] else (TERM[0], 6 * TERM[1]) for place in (0, 2)]
    return [constants[0], EXPONENT, constants[1], EXPONENT, TERM]


def _filled(values: Array, free: NDArray[np.bool_], held: Array) -> Array:
    """(5,) `held` with other values of the free coordinates."""
    theta = held.copy()
    theta[free] = values
    return theta


def _grid(points: Points, free: NDArray[np.bool_], held: Array) -> Array:
    """(POLISHED, 5) the best starting points of the grid."""
    axes = [GRID[name] if is_free else [value] for name, is_free, value in zip(NAMES, free, held, strict=True)]
    starts = np.array(list(product(*axes)))
    values = [objective(start, points)[0] for start in starts]
    return starts[np.argsort(values)[:POLISHED]]
