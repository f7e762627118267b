"""The scaling law L(N, T) = A/N^α + B/T^β + E, and its fit (Hoffmann et al. 2022, arXiv 2203.15556, appendix D).

N parameters, T tokens, L nats a token. Written in θ = (a, α, b, β, e) with A = exp a, B = exp b, E = exp e:

    log L = LSE(a − α log N, b − β log T, e)

What is made least is the sum, not the mean, of Huber_δ(log L_θ − log L) with δ = 1e-3, here over δ², so that an
optimizer's absolute tolerances mean something (averaging lets L-BFGS stop early: Besiroglu et al. 2024, arXiv
2404.10102).
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
GRID = {  # of starts, in θ; Hoffmann et al., with closer exponents
    "A": [0.0, 5.0, 10.0, 15.0, 20.0, 25.0],
    "alpha": [0.0, 0.25, 0.5, 1.0, 1.5, 2.0],
    "B": [0.0, 5.0, 10.0, 15.0, 20.0, 25.0],
    "beta": [0.0, 0.25, 0.5, 1.0, 1.5, 2.0],
    "E": [-1.0, -0.5, 0.0, 0.5, 1.0],
}
TERM = (-20.0, 10.0)  # logarithms of a term of the loss that are searched, at the mean of log N or log T
EXPONENT = (0.0, 3.0)
POLISHED = 12  # of the starts, those of least objective
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
        """Nats a token of models of so many parameters, trained on so many tokens."""
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

    def counted(self, weights: Array) -> "Points":
        """The same points, counted otherwise."""
        return Points(self.log_parameters, self.log_tokens, self.log_losses, weights)


def points(parameters: Array, tokens: Array, losses: Array) -> Points:
    """Points of N, T and L (n,) that count once."""
    n, t, loss = (np.log(np.asarray(values, float)) for values in (parameters, tokens, losses))
    return Points(n, t, loss, np.ones(len(losses)))


def objective(theta: Array, given: Points) -> tuple[float, Array]:
    """The objective and its gradient (5,) at θ."""
    a, alpha, b, beta, e = theta
    first, second = a - alpha * given.log_parameters, b - beta * given.log_tokens
    highest = np.maximum(np.maximum(first, second), e)
    first, second, third = np.exp(first - highest), np.exp(second - highest), np.exp(e - highest)
    total = first + second + third
    residual = highest + np.log(total) - given.log_losses
    slope = given.weights * np.clip(residual, -DELTA, DELTA) / DELTA**2
    value = (slope * (residual - np.clip(residual, -DELTA, DELTA) / 2)).sum()
    first, second, third = slope * first / total, slope * second / total, slope * third / total
    gradient = first.sum(), -first @ given.log_parameters, second.sum(), -second @ given.log_tokens, third.sum()
    return float(value), np.array(gradient)


def fit(given: Points, fixed: Mapping[str, float] | None = None, starts: Array | None = None) -> tuple[Law, float]:
    """The law of least objective, and that objective. `fixed` names constants that stay as given.

    `starts` (k, 5) are places in θ to go on from; without any, the best of a grid.
    """
    free = np.array([name not in (fixed or {}) for name in NAMES])
    held = Law(**{name: (fixed or {}).get(name, 1.0) for name in NAMES}).theta()
    if starts is None:
        starts = _grid(given, free, held)
    centre = _centre(given, free)
    back = np.linalg.inv(centre)
    bounds = [bound for bound, searched in zip(_bounds(centre), free, strict=True) if searched]

    def of_free(values: Array) -> tuple[float, Array]:
        value, gradient = objective(centre @ _filled(values, free, held), given)
        return value, (centre.T @ gradient)[free]

    best, least = held, np.inf
    lowest, highest = np.array(bounds).T if bounds else (None, None)
    for start in np.where(free, starts, held):
        within = np.clip((back @ start)[free], lowest, highest)
        found = minimize(of_free, within, method="L-BFGS-B", jac=True, bounds=bounds, options=OPTIONS)
        if found.fun < least:
            best, least = centre @ _filled(found.x, free, held), float(found.fun)
    return from_theta(best), least


def _centre(given: Points, free: NDArray[np.bool_]) -> Array:
    """(5, 5) from the coordinates that are searched to θ: a is taken at the mean log N, b at the mean log T.

    A constant and its exponent are nearly one direction otherwise, along which L-BFGS crawls.
    """
    centre = np.eye(5)
    for constant, exponent, logs in ((0, 1, given.log_parameters), (2, 3, given.log_tokens)):
        if free[constant] and free[exponent]:
            centre[constant, exponent] = logs.mean()
    return centre


def _bounds(centre: Array) -> list[tuple[float, float]]:
    """Of the coordinates that are searched; beyond them a term of the loss would vanish or overflow."""
    constants = [TERM if centre[place, place + 1] else (TERM[0], 6 * TERM[1]) for place in (0, 2)]
    return [constants[0], EXPONENT, constants[1], EXPONENT, TERM]


def _filled(values: Array, free: NDArray[np.bool_], held: Array) -> Array:
    theta = held.copy()
    theta[free] = values
    return theta


def _grid(given: Points, free: NDArray[np.bool_], held: Array) -> Array:
    """The best starts of the grid."""
    axes = [GRID[name] if is_free else [value] for name, is_free, value in zip(NAMES, free, held, strict=True)]
    starts = np.array(list(product(*axes)))
    values = [objective(start, given)[0] for start in starts]
    return starts[np.argsort(values)[:POLISHED]]
