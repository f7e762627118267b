"""Rigorous bounds on W-error where G is too large to solve: from its leading block and its off-diagonal mass.

Let P be G without the elements that couple tokens outside the leading block: block-diagonal, its eigenvalues
μ_1 ≥ μ_2 ≥ ... known from one smaller eigensolve and the column norms of the other tokens. With M_d the sum of the
first d of them, L_d that of the eigenvalues λ of G, T = L_n = M_n the trace and F = ‖G‖_F² - ‖P‖_F²:

High: P is a pinching of G, so λ majorises μ, L_d ≥ M_d (Schur-Horn; Bhatia, Matrix Analysis, II.5), and
W-error(d)² = (T - L_d)/T ≤ (T - M_d)/T. With an empty leading block these are the sorted column norms of W.

Low: Σλ_i² = Σμ_i² + F bounds how far L_d can lie above M_d. L is a concave curve above M with the same end. If
L_d = M_d + s, then L lies above the concave hull of M and that point: two tangents from the point to M, whose
increments ν are equal on each tangent and else those of M. So λ majorises ν, and because a sum of squares grows along
majorisation, Σν_i² - Σμ_i² ≤ F. The left side grows with s: bisection gives the largest s, and
W-error(d)² ≥ (T - M_d - s)/T.
"""

import numba
import numpy as np
from numpy.typing import NDArray

BISECTIONS = 60


def largest_excess(eigenvalues: NDArray[np.float64], mass: float) -> NDArray[np.float64]:
    """(n,) the largest s at d = 1..n; `eigenvalues` (n,) are μ, falling, and `mass` is F."""
    sums, squares = _sums(eigenvalues), _sums(eigenvalues**2)
    rounding = 8 * np.finfo(float).eps * squares[-1]  # of the differences that make the cost
    return _bisect(eigenvalues, sums, squares, mass + rounding)


def upper_bound(eigenvalues: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) high of W-error at d = 1..n, or W-error itself where G is P; `eigenvalues` (n,) are μ, falling."""
    tails = tail_sums(eigenvalues)
    return np.sqrt(tails / (tails[0] + eigenvalues[0]))


def lower_bound(eigenvalues: NDArray[np.float64], mass: float) -> NDArray[np.float64]:
    """(n,) low of W-error at d = 1..n; `eigenvalues` (n,) are μ, falling, and `mass` is F."""
    tails = tail_sums(eigenvalues)
    low = np.maximum(tails - largest_excess(eigenvalues, mass), 0)
    low = np.maximum.accumulate(low[::-1])[::-1]  # W-error falls, so a lower bound at d holds before d
    return np.sqrt(low / (tails[0] + eigenvalues[0]))


def tail_sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) Σ_{i>d} of the falling values (n,) at d = 1..n, smallest first: no digits are lost."""
    return np.append(np.cumsum(values[:0:-1])[::-1], 0.0)


def _sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n + 1,) sums of the first values, added up in long numbers so that differences are good to the last digit."""
    return np.append(0.0, np.cumsum(values, dtype=np.longdouble)).astype(np.float64)


@numba.njit(cache=True)
def _bisect(values, sums, squares, mass):
    excess = np.zeros(len(values))
    for d in range(1, len(values)):
        low, high = 0.0, sums[-1] - sums[d]
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            if _cost(values, sums, squares, d, middle) > mass:
                high = middle
            else:
                low = middle
        excess[d - 1] = high
    return excess


@numba.njit(cache=True)
def _cost(values, sums, squares, d, excess):
    """Σν² - Σμ² of the hull through excess above M_d; the tangents touch M at d - left and d + right."""
    left, longest = 1, d
    while left < longest:
        middle = (left + longest) // 2
        if sums[d] - sums[d - middle] + excess <= middle * values[d - middle - 1]:
            longest = middle
        else:
            left = middle + 1
    right, longest = 1, len(values) - d
    while right < longest:
        middle = (right + longest) // 2
        if sums[d + middle] - sums[d] - excess >= middle * values[d + middle]:
            longest = middle
        else:
            right = middle + 1
    above = (sums[d] - sums[d - left] + excess) ** 2 / left - (squares[d] - squares[d - left])
    below = (sums[d + right] - sums[d] - excess) ** 2 / right - (squares[d + right] - squares[d])
    return above + below
