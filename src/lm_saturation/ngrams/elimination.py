"""A rigorous lower bound on W-error from the elements of G alone: no eigensolve, no product of matrices.

For every level t > 0, Σ_{i>d} λ_i ≥ Σ min(λ_i, t) - d·t, with equality at t = λ_d, and Σ min(λ_i, t) = Tr min(G, t) is
bounded from below in two steps. The tokens are sorted by the diagonal g of G, falling; E is G without its diagonal.

Elimination: let H be the first h tokens, C the part of E between them and the rest M, and ρ_i = Σ_{j∈H} |E_ij| y_j/y_i
with any weights y > 0. If g_i - t > ρ_i in H, then G_H - t ≥ D = diag(g_i - t - ρ_i) > 0 (diagonal dominance), and
0 ⊕ (t - G_M + CᵀD⁻¹C)₊ is positive and above t - G (Schur complement). So its trace is at least Tr (t - G)₊, which is
n·t - Tr min(G, t):

    Tr min(G, t) ≥ h·t + Tr min(G_M, t) - Σ_{i∈H} Σ_{j∈M} E_ij² / (g_i - t - ρ_i).

The rest: each token's spectral measure under G_M lies on [0, ∞), with mean g_j and variance r_j² = Σ_{k∈M} E_jk². The
expectation of min(x, t) over such measures is at least Scarf's bound (Scarf 1958).

Both losses are of second order in E, and a token far from t loses little. Every h gives a bound; the largest counts.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import repeat

import numba
import numpy as np
from numpy.typing import NDArray

from lm_saturation.io.logs import progress
from lm_saturation.ngrams import gram
from lm_saturation.ngrams.bracket import tail_sums
from lm_saturation.ngrams.gram import Layout, Rows

CUTS = 64  # of the tokens of a component into those eliminated and the rest; more are slower and little closer
WEIGHT = -0.25  # y = g to this power; with y = 1 the bracket of trigrams is three times as wide at the end
RESOLUTION = 1e-4  # of Σ_{i>d} λ_i: what the distance between two levels may cost


@dataclass(frozen=True)
class Couplings:
    """Sums over the elements E of G off its diagonal, of the n tokens of one component, sorted by falling norm.

    `cuts` (k,) are the values of h that are tried, from 0; `norms` (n,) the diagonal g of G. At each cut, `outside`
    (k, n) is Σ E_ij² over j from h on, and `inside` (k, n) is Σ |E_ij| y_j/y_i over j before h.
    """

    cuts: NDArray[np.int64]
    norms: NDArray[np.float64]
    outside: NDArray[np.float64]
    inside: NDArray[np.float64]


def find_couplings(rows: Rows, layout: Layout, number: int, memory_bytes: float, threads: int) -> Couplings:
    """Of component `number`, from as many columns of G at a time as fit in the memory, at least one."""
    size, first = int(layout.sizes[number]), layout.bounds[number]
    edges = np.unique([0, *np.geomspace(1, size, CUTS).astype(np.int64), size])
    norms = layout.squared_norms[first : first + size]
    weights = (norms / norms[0]) ** WEIGHT
    squares, sums = np.zeros((2, len(edges) - 1, size))
    windows = np.zeros((len(layout.sizes), 4), np.int64)
    panels = list(gram.panels(size, 0, memory_bytes))
    with ThreadPoolExecutor(threads) as pool:
        for window in progress(panels, "columns of G", unit="panel"):
            windows[number] = window
            panel = gram.accumulate(rows(), layout, windows, threads)
            for add in (_add_to_rows, _add_to_columns):  # in this order, cuts into panels change no sum
                work = partial(add, panel, windows[number], edges, weights, squares, sums)
                list(pool.map(work, range(threads), repeat(threads)))
    outside = np.ascontiguousarray(np.cumsum(squares[::-1], axis=0)[::-1])
    inside = (np.cumsum(sums, axis=0) - sums) / weights
    return Couplings(edges[:-1], norms, outside, inside)


def lower_tails(
    eigenvalues: NDArray[np.float64], couplings: Sequence[Couplings], threads: int = 1
) -> NDArray[np.float64]:
    """(n,) lower bounds of Σ_{i>d} λ_i at d = 1..n, over the eigenvalues λ of all components of G.

    `eigenvalues` (n,), falling, are λ of the components that are solved and the norms of every other token;
    `couplings` are of all components that are not solved.
    """
    heights = levels(eigenvalues)
    totals = np.array([np.minimum(eigenvalues, height).sum() for height in heights])
    for part in couplings:
        uncoupled = np.array([np.minimum(part.norms, height).sum() for height in heights])
        totals += capped_traces(part, heights, threads) - uncoupled
    totals -= len(eigenvalues) * np.finfo(float).eps * eigenvalues.sum()  # rounding of the sums
    best, dimensions = np.zeros(len(eigenvalues)), np.arange(1, len(eigenvalues) + 1)
    for total, height in zip(totals, heights, strict=True):
        np.maximum(best, total - dimensions * height, out=best)
    return best


def capped_traces(couplings: Couplings, heights: NDArray[np.float64], threads: int = 1) -> NDArray[np.float64]:
    """(levels,) lower bounds of Tr min(G, t) at each t of `heights` (levels,), the best over all cuts."""
    bound = partial(_capped_trace, couplings.cuts, couplings.norms, couplings.outside, couplings.inside)
    with ThreadPoolExecutor(threads) as pool:
        return np.array(list(pool.map(bound, heights)))


def levels(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values t, falling, chosen from the falling `values` (n,) close enough together for RESOLUTION.

    Between neighbours i < j the larger of two tangents lies at most (j - i)·(v_i - v_j)/4 below the convex tail.
    """
    tails = tail_sums(values)
    positive = int(np.count_nonzero(values > 0))
    chosen = [0]
    for place in range(1, positive):
        last = chosen[-1]
        cost = (place + 1 - last) * (values[last] - values[min(place + 1, positive - 1)]) / 4
        if cost > RESOLUTION * tails[place] or place == positive - 1:
            chosen.append(place)
    return values[chosen]


@numba.njit(cache=True, nogil=True)
def _add_to_columns(panel, window, edges, weights, squares, sums, thread, threads):
    """Add to each token that has a column in the panel, those below it; every thread has its own columns."""
    low, high, top, bottom = window
    for column in range(low + thread, high, threads):
        start = (column - low) * (bottom - top) - top
        for part in range(len(edges) - 1):
            square = total = 0.0
            for row in range(max(edges[part], column + 1, top), min(edges[part + 1], bottom)):
                element = abs(panel[start + row])
                square += element * element
                total += element * weights[row]
            squares[part, column] += square
            sums[part, column] += total


@numba.njit(cache=True, nogil=True)
def _add_to_rows(panel, window, edges, weights, squares, sums, thread, threads):
    """Add to each token that has a row in the panel, those before it; every thread has its own rows."""
    low, high, top, bottom = window
    begin = top + (bottom - top) * thread // threads
    end = top + (bottom - top) * (thread + 1) // threads
    part = 0
    for column in range(low, high):
        while column >= edges[part + 1]:
            part += 1
        start = (column - low) * (bottom - top) - top
        for row in range(max(begin, column + 1), end):
            element = abs(panel[start + row])
            squares[part, row] += element * element
            sums[part, row] += element * weights[column]


@numba.njit(cache=True, nogil=True)
def _capped_trace(cuts, norms, outside, inside, level):
    best = 0.0
    for part in range(len(cuts)):
        cut = cuts[part]
        total = cut * level
        for token in range(cut):
            gap = norms[token] - level - inside[part, token]
            if gap <= 0:  # then it is so at every later cut too
                return best
            total -= outside[part, token] / gap
        for token in range(cut, len(norms)):
            total += _expected_minimum(norms[token], outside[part, token], level)
        best = max(best, total)
    return best


@numba.njit(cache=True, nogil=True)
def _expected_minimum(mean, variance, level):
    """The smallest E min(x, level) of all x ≥ 0 with this mean and variance (Scarf 1958)."""
    square = mean * mean + variance
    if square > 2 * level * mean:
        return level * mean * mean / square
    below = level - mean
    root = np.sqrt(below * below + variance)
    if below > 0:
        return mean - variance / (root + below) / 2
    return level - variance / (root - below) / 2 if root > 0 else level
