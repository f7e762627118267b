"""The exact singular values of W, by components.

Rows of W are next-token distributions, most of them one-hot: a one-hot row only adds to the diagonal of
G = WᵀW. Two tokens are coupled only if some row gives both a probability, so G is block-diagonal over the
connected components of that graph. A token alone in its component has its diagonal entry as eigenvalue; every
other component gets one dense symmetric eigensolve in float64. Nothing is iterative, randomised or truncated.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numba
import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components


@dataclass(frozen=True)
class Spectrum:
    """`singular_values` (types,) in falling order, zeros included; `component_sizes`, types in each component."""

    singular_values: NDArray[np.float64]
    component_sizes: NDArray[np.int64]

    @property
    def rank(self) -> int:
        """Singular values that are not zero."""
        return int(np.count_nonzero(self.singular_values))


def exact_spectrum(matrix: csr_array) -> Spectrum:
    """The singular values of `matrix` (rows, V), one for each column that is not empty.

    Eigenvalues of a component of n types below n · eps · its largest are rounding error and count as zero.
    Raises ArithmeticError if the squares do not sum to the squared Frobenius norm.
    """
    entries = np.diff(matrix.indptr)
    one_hot = entries == 1
    single = matrix.indptr[:-1][one_hot]
    squares = matrix.data**2
    diagonal = np.bincount(matrix.indices[single], squares[single], matrix.shape[1]).astype(np.float64)
    coupling = matrix[~one_hot]
    label, types = _components(coupling, diagonal)
    sizes = np.bincount(label)
    alone = types[sizes[label] == 1]  # only one-hot rows lead to these
    blocks = _blocks(coupling, diagonal, types, label)
    eigenvalues = np.concatenate([diagonal[alone], *map(_eigenvalues, blocks)])
    norm = float(squares.sum())
    if abs(eigenvalues.sum() - norm) > 1e-9 * norm:
        raise ArithmeticError(f"squared singular values sum to {eigenvalues.sum()}, the squared entries to {norm}")
    return Spectrum(np.sqrt(np.sort(eigenvalues)[::-1]), np.sort(sizes)[::-1])


def w_error(singular_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) W-error at d = 1..n: sqrt(Σ_{i>d} σ_i²) / ‖W‖_F (arXiv 2404.07647, Fig 7)."""
    squares = singular_values**2
    beyond = np.append(np.cumsum(squares[::-1])[::-1], 0.0)  # smallest first: no digits are lost
    return np.sqrt(beyond[1:] / beyond[0])


def unigram_w_error(token_counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n,) sqrt(1 - coverage(d)) at d = 1..n: coverage is the share of the d most frequent of n tokens.

    W-error of a matrix whose rows are all one-hot, so what token frequency alone explains.
    """
    return w_error(np.sqrt(np.sort(token_counts)[::-1]))


def least_dimension(errors: NDArray[np.float64], threshold: float) -> int:
    """The least d with W-error at most `threshold`; errors (n,) at d = 1..n. W-error(0) is 1."""
    return int(np.searchsorted(-errors, -threshold)) + 1


def _components(coupling: csr_array, diagonal: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The component of each token type that occurs, and its token id."""
    vocabulary = coupling.shape[1]
    first = np.repeat(coupling.indices[coupling.indptr[:-1]], np.diff(coupling.indptr))  # chains a row's tokens
    links = csr_array((np.ones(len(first), np.bool_), (first, coupling.indices)), shape=(vocabulary, vocabulary))
    _, label = connected_components(links, directed=False)
    occurs = diagonal > 0
    occurs[coupling.indices] = True
    types = np.flatnonzero(occurs)
    return np.unique(label[types], return_inverse=True)[1], types


def _blocks(
    coupling: csr_array, diagonal: NDArray[np.float64], types: NDArray[np.int64], label: NDArray[np.int64]
) -> Iterator[NDArray[np.float64]]:
    """The diagonal block of G for each component of two or more types; only one is in memory at a time."""
    order = np.argsort(label, kind="stable")
    bounds = np.concatenate([[0], np.cumsum(np.bincount(label))])
    position = np.zeros(coupling.shape[1], np.int64)  # of a token within its component
    position[types[order]] = np.arange(len(order)) - np.repeat(bounds[:-1], np.diff(bounds))
    component = np.zeros(coupling.shape[1], np.int64)
    component[types] = label
    of_row = component[coupling.indices[coupling.indptr[:-1]]]
    row_order = np.argsort(of_row, kind="stable")
    row_bounds = np.searchsorted(of_row[row_order], np.arange(len(bounds)))
    for number in np.flatnonzero(np.diff(bounds) > 1):
        members = types[order[bounds[number] : bounds[number + 1]]]
        block = np.zeros((len(members), len(members)), order="F")
        block[np.diag_indices(len(members))] = diagonal[members]
        rows = row_order[row_bounds[number] : row_bounds[number + 1]]
        _add_rows(block, rows, coupling.indptr, coupling.indices, coupling.data, position)
        yield block


@numba.njit(cache=True)
def _add_rows(block, rows, indptr, indices, data, position):
    """Add the outer product of each row with itself to the lower triangle of the block."""
    for row in rows:
        for left in range(indptr[row], indptr[row + 1]):
            column = position[indices[left]]
            for right in range(indptr[row], indptr[row + 1]):
                other = position[indices[right]]
                if other >= column:
                    block[other, column] += data[left] * data[right]


def _eigenvalues(block: NDArray[np.float64]) -> NDArray[np.float64]:
    values = scipy.linalg.eigvalsh(block, overwrite_a=True, check_finite=False, driver="evd")
    return np.where(values > len(values) * np.finfo(float).eps * values[-1], values, 0.0)
