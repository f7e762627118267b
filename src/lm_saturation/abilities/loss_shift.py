"""What size or tokens add to loss: y = f(L − γ x), one curve f for all models (arXiv 2403.15796, Fig 1).

If ability depends on loss alone, γ is 0. f is a broken line through KNOTS knots at quantiles of L − γ x, so that every
γ of the grid has a closed-form fit; sums of squares are kept by model, and a fit without a model is one subtraction.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lm_saturation.statistics.jackknife import jackknife_interval

KNOTS = 8
LARGEST = 2.0  # units of the loss for one of x; an estimate at an end says "at least so much"
SHIFTS = np.linspace(-LARGEST, LARGEST, 201)
RIDGE = 1e-9  # share of a knot's weight: keeps fits solvable where a knot has no points

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class LossShift:
    """γ: the loss that one unit of x makes up for at the same performance; the interval is over models."""

    shift: float
    low: float | None
    high: float | None


def loss_shift(losses: Array, y: Array, x: Array, models: Integers) -> LossShift:
    """γ of y = f(L − γ x) by least squares, with the interval of a jackknife over models.

    losses, performances, x such as log10 of parameters, and numbers of models, all (n,).
    """
    order = np.argsort(models, kind="stable")
    starts = np.flatnonzero(np.diff(models[order], prepend=-1))
    losses, y, x = losses[order], y[order] - y.mean(), x[order] - x.mean()
    sums = model_sums(hats(losses - SHIFTS[:, None] * x), y, starts)
    whole = sums.sum(1, keepdims=True)
    together = np.concatenate([whole, whole - sums], axis=1)  # of all models, and without each
    errors = squared_errors(together)  # (shifts, 1 + models)
    shifts = np.array([lowest(SHIFTS, column) for column in errors.T])
    return LossShift(float(shifts[0]), *jackknife_interval(float(shifts[0]), shifts[1:]))


def hats(values: Array) -> Array:
    """Piecewise linear functions (rows, n, KNOTS) of values (rows, n), each 1 at its knot and 0 at the others.

    The knots are quantiles of a row.
    """
    knots = np.quantile(values, np.linspace(0, 1, KNOTS), axis=1).T
    left = (values[:, :, None] >= knots[:, None, 1:-1]).sum(2)
    start = np.take_along_axis(knots, left, 1)
    width = np.maximum(np.take_along_axis(knots, left + 1, 1) - start, np.finfo(float).tiny)
    way = (values - start) / width
    basis = np.zeros((*values.shape, KNOTS))
    np.put_along_axis(basis, left[:, :, None], (1 - way)[:, :, None], 2)
    np.put_along_axis(basis, left[:, :, None] + 1, way[:, :, None], 2)
    return basis


def model_sums(bases: Array, y: Array, starts: Integers) -> Array:
    """Sums of products of the columns of bases (rows, n, k) and y (n,) by model, (rows, models, k + 1, k + 1).

    Points lie in order of their models; `starts` are the places where models begin.
    """
    columns = np.concatenate([bases, np.broadcast_to(y[:, None], (len(bases), len(y), 1))], axis=2)
    return np.stack([part.transpose(0, 2, 1) @ part for part in np.split(columns, starts[1:], axis=1)], axis=1)


def squared_errors(sums: Array) -> Array:
    """The sum of squared errors (...) of the least squares fit, of sums (..., k + 1, k + 1) of products."""
    products, targets = sums[..., :-1, :-1], sums[..., :-1, -1]
    coefficients = solve(products, targets)
    return sums[..., -1, -1] - (coefficients * targets).sum(-1)


def solve(products: Array, targets: Array) -> Array:
    """Coefficients (..., k) of the normal equations (..., k, k), (..., k)."""
    weight = np.trace(products, axis1=-2, axis2=-1)[..., None, None]
    return np.linalg.solve(products + RIDGE * weight * np.eye(products.shape[-1]), targets[..., None])[..., 0]


def lowest(places: Array, errors: Array) -> float:
    """Where a curve given at equally spaced places is lowest: the tip of the parabola through the three lowest."""
    best = int(errors.argmin())
    if best in (0, len(errors) - 1):
        return float(places[best])
    before, here, after = errors[best - 1 : best + 2]
    bend = before - 2 * here + after
    return float(places[best] + (places[1] - places[0]) * ((before - after) / (2 * bend) if bend > 0 else 0))
