"""Stochastic Lanczos quadrature: an estimate of W-error at every d from products with G alone.

A probe v with random signs has E[vᵀf(G)v] = Σf(λ_i), and k steps of Lanczos from v give the Gauss quadrature of
vᵀf(G)v: k nodes θ with weights w that sum to n (Ubaru, Chen, Saad 2017, SIAM J. Matrix Anal. Appl. 38). What lies
beyond d is such a sum of a continuous f: Σ_{i>d} λ_i = max over t of Σ min(λ_i, t) - d·t, with t = λ_d at the best
(Ky Fan), that is, the n - d smallest of n eigenvalues, with the measure of nodes and weights in place of theirs. Its
error is at most n times the Wasserstein distance of the two measures, in which this quadrature converges (Chen,
Trogdon, Ubaru 2021, ICML).

As it stands that is worse than the bracket on nearly diagonal G. So the same probes and steps go through P, the
block-diagonal part of G whose eigenvalues μ are known (bracket.py), and the estimate is Σ_{i>d} μ_i plus the
difference between the two quadratures, whose errors are nearly equal. (A control variate.)
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numba
import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from lm_saturation.io.logs import progress
from lm_saturation.ngrams.gram import Rows

PROBES = 8
STEPS = 150  # PROBES * STEPS vectors lie in memory
PROBE_SEED = 0

Product = Callable[[NDArray[np.float64]], NDArray[np.float64]]  # of a symmetric matrix (n, n) with vectors (probes, n)


def tail_difference(product: Product, control: Product, size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Σ_{i>d} of the eigenvalues of one matrix less those of another, at d = 1..size: mean over probes, standard error.

    Both matrices are (size, size), given as products with vectors.
    """
    signs = np.random.default_rng(PROBE_SEED).choice([-1.0, 1.0], (PROBES, size))
    difference = quadrature_tails(*quadrature(product, signs)) - quadrature_tails(*quadrature(control, signs))
    return difference.mean(0), difference.std(0, ddof=1) / np.sqrt(PROBES)


def quadrature(product: Product, probes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(probes, steps) nodes and weights from each of the probes (probes, n); the weights of one sum to vᵀv.

    Every new vector is made orthogonal to all before it, twice. A probe whose Krylov space is exhausted goes on with
    zeros, which get no weight.
    """
    count, size = probes.shape
    steps = min(STEPS, size)
    basis = np.zeros((count, steps, size))
    diagonal, beside = np.zeros((2, count, steps))
    squares = (probes**2).sum(1)
    vectors = probes / np.sqrt(squares)[:, None]
    for step in progress(range(steps), "Lanczos", unit="step"):
        basis[:, step] = vectors
        new = product(vectors)
        diagonal[:, step] = (vectors * new).sum(1)
        scale = np.sqrt((new**2).sum(1))
        for earlier, vector in zip(basis[:, : step + 1], new, strict=True):
            for _ in range(2):
                vector -= (earlier @ vector) @ earlier
        beside[:, step] = np.sqrt((new**2).sum(1))
        going = beside[:, step] > 1e-12 * scale
        beside[~going, step] = 0
        vectors = np.divide(new, beside[:, step, None], out=np.zeros_like(new), where=going[:, None])
    pairs = zip(diagonal, beside[:, :-1], strict=True)
    solved = [scipy.linalg.eigh_tridiagonal(alphas, betas) for alphas, betas in pairs]
    nodes, first = np.stack([values for values, _ in solved]), np.stack([vectors[0] for _, vectors in solved])
    return nodes, first**2 * squares[:, None]


def quadrature_tails(nodes: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(probes, n) each probe's Σ w·min(θ, t) - d·t at d = 1..n, with the t that is best for all of them together.

    `nodes` and `weights` are (probes, steps), nodes rising. The mean over probes is the estimate of Σ_{i>d} λ_i.
    """
    size = round(weights[0].sum())
    dimensions = np.arange(1, size + 1)
    order = np.argsort(nodes, axis=None)
    below = np.cumsum(weights.ravel()[order]) / len(nodes)
    best = nodes.ravel()[order[np.minimum(np.searchsorted(below, size - dimensions), len(order) - 1)]]
    return np.stack([_clipped_sums(*probe, best) for probe in zip(nodes, weights, strict=True)]) - dimensions * best


def _clipped_sums(
    nodes: NDArray[np.float64], weights: NDArray[np.float64], levels: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Σ w·min(θ, t) for each t of the levels; the nodes rise."""
    mass = np.append(0.0, np.cumsum(weights))
    moment = np.append(0.0, np.cumsum(weights * nodes))
    below = np.searchsorted(nodes, levels)
    return moment[below] + levels * (mass[-1] - mass[below])


def gram_product(rows: Rows, squared_norms: NDArray[np.float64], threads: int) -> Product:
    """Products with G, from the coupling rows and its diagonal (n,)."""

    def product(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        result = vectors * squared_norms
        with ThreadPoolExecutor(threads) as pool:
            for block in rows():
                list(pool.map(partial(_multiply, block.indptr, block.indices, block.data), vectors, result))
        return result

    return product


def pinched_product(blocks: list[tuple[int, NDArray[np.float64]]], squared_norms: NDArray[np.float64]) -> Product:
    """Products with P: `blocks` are the place and the lower triangle of each leading block, the rest is diagonal."""

    def product(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        result = vectors * squared_norms
        for start, block in blocks:
            here = slice(start, start + len(block))
            result[:, here] = scipy.linalg.blas.dsymm(1.0, block, vectors[:, here].T, lower=1).T
        return result

    return product


@numba.njit(cache=True, nogil=True)
def _multiply(indptr, indices, data, vector, result):
    """Add the product with the off-diagonal elements of G."""
    for row in range(len(indptr) - 1):
        begin, end = indptr[row], indptr[row + 1]
        dot = 0.0
        for entry in range(begin, end):
            dot += data[entry] * vector[indices[entry]]
        for entry in range(begin, end):
            place = indices[entry]
            result[place] += data[entry] * (dot - data[entry] * vector[place])
