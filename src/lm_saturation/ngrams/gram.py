"""The Gram matrix G = WᵀW of a matrix that is read block by block: how it splits, and its parts as dense blocks.

A row of W with one entry (one-hot) only adds to the diagonal of G, which is the squared column norms. Two tokens are
coupled only if some row has both, so G is block-diagonal over the connected components of that graph. One pass over
the rows finds components and diagonal; another adds up whatever part of G is wanted. Every element is summed by one
thread in the order of the rows, so results are the same, byte for byte, whatever the number of threads.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import repeat

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from lm_saturation.io.logs import progress

Rows = Callable[[], Iterable[csr_array]]  # each call is a pass over the rows of a matrix, some at a time


class Survey:
    """Column norms, components and numbers of rows, from one pass over the rows of W."""

    def __init__(self, vocabulary_size: int) -> None:
        self.squared_norms = np.zeros(vocabulary_size)  # of the columns: the diagonal of G
        self.occurs = np.zeros(vocabulary_size, np.bool_)  # whether a token has an entry
        self.parent = np.arange(vocabulary_size)  # of each token in the forest that joins coupled tokens
        self.contexts = 0  # rows
        self.one_hot_contexts = 0  # rows with one entry
        self.coupling_entries = 0  # entries of all other rows

    def add(self, matrix: csr_array) -> None:
        """Add the next rows (rows, V), none of them with two entries in one column."""
        entries = np.diff(matrix.indptr)
        self.squared_norms += np.bincount(matrix.indices, matrix.data**2, len(self.parent))
        self.occurs[matrix.indices] = True
        self.contexts += len(entries)
        self.one_hot_contexts += int(np.count_nonzero(entries == 1))
        self.coupling_entries += int(entries[entries > 1].sum())
        _join(self.parent, matrix.indptr, matrix.indices)


@dataclass(frozen=True)
class Layout:
    """The n types in the order of G: components by falling size, within one the tokens by falling column norm.

    `position` (V,) is the place of a token in that order, `component` (n,) the number of its component, `bounds`
    (components + 1,) where each begins, and `squared_norms` (n,) the diagonal of G.
    """

    position: NDArray[np.int32]
    component: NDArray[np.int64]
    bounds: NDArray[np.int64]
    squared_norms: NDArray[np.float64]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(components,) types in each component."""
        return np.diff(self.bounds)

    @property
    def place(self) -> NDArray[np.int64]:
        """(n,) place of each type within its component."""
        return np.arange(len(self.component)) - self.bounds[self.component]


def lay_out(survey: Survey) -> Layout:
    """The order of G, from a survey of all rows."""
    types = np.flatnonzero(survey.occurs)
    _, label, sizes = np.unique(_roots(survey.parent)[types], return_inverse=True, return_counts=True)
    norms = survey.squared_norms[types]
    order = np.lexsort([-norms, label, -sizes[label]])
    position = np.full(len(survey.parent), -1, np.int32)
    position[types[order]] = np.arange(len(types))
    falling = np.sort(sizes)[::-1]
    component = np.repeat(np.arange(len(falling)), falling)
    return Layout(position, component, np.append(0, np.cumsum(falling)), norms[order])


def coupling_rows(matrix_rows: Iterable[csr_array], layout: Layout) -> Iterator[csr_array]:
    """The rows with two entries or more, their columns in the order of G."""
    for matrix in matrix_rows:
        rows = matrix[np.diff(matrix.indptr) > 1]
        shape = (rows.shape[0], len(layout.component))
        rows = csr_array((rows.data, layout.position[rows.indices], rows.indptr), shape=shape)
        rows.sort_indices()
        yield rows


def accumulate(
    rows: Iterable[csr_array], layout: Layout, windows: NDArray[np.int64], threads: int
) -> NDArray[np.float64]:
    """Add up a part of G below its diagonal: one window per component, one after the other in a flat array.

    `rows` are coupling rows. A window (low, high, top, bottom) of `windows` (components, 4) holds columns low to high
    of rows top to bottom, counted from the component's first type, column by column.
    """
    starts = window_starts(windows)
    buffer = np.zeros(starts[-1])
    with ThreadPoolExecutor(threads) as pool:
        for block in rows:
            arrays = windows, starts, block.indptr, block.indices, block.data
            add = partial(_add, buffer, layout.bounds, layout.component, *arrays)
            list(pool.map(add, range(threads), repeat(threads)))
    return buffer


def window_starts(windows: NDArray[np.int64]) -> NDArray[np.int64]:
    """(components + 1,) where each window begins in the flat array."""
    low, high, top, bottom = windows.T
    return np.append(0, np.cumsum((high - low) * (bottom - top)))


def leading_windows(leading: NDArray[np.int64]) -> NDArray[np.int64]:
    """The windows of the first `leading` (components,) types of each component."""
    zero = np.zeros_like(leading)
    return np.stack([zero, leading, zero, leading], axis=1)


def leading_blocks(
    rows: Iterable[csr_array], layout: Layout, leading: NDArray[np.int64], threads: int
) -> list[NDArray[np.float64]]:
    """G of the first `leading` types of each component that has any: the lower triangles of arrays in Fortran order."""
    windows = leading_windows(leading)
    buffer, starts = accumulate(rows, layout, windows, threads), window_starts(windows)
    blocks = []
    for number in np.flatnonzero(leading):
        size = leading[number]
        block = buffer[starts[number] : starts[number + 1]].reshape(size, size, order="F")
        np.fill_diagonal(block, layout.squared_norms[layout.bounds[number] :][:size])
        blocks.append(block)
    return blocks


def off_diagonal_mass(
    rows: Rows, layout: Layout, leading: NDArray[np.int64], memory_bytes: float, threads: int
) -> float:
    """Σ G_ij² over i ≠ j, less the pairs that are both among the first `leading` (components,) of a component.

    Adds up as many columns of G at a time as fit in the memory, and at least one.
    """
    mass = 0.0
    for number in np.flatnonzero(layout.sizes > np.maximum(leading, 1)):
        windows = np.zeros((len(leading), 4), np.int64)
        parts = list(panels(layout.sizes[number], leading[number], memory_bytes))
        for low, high, top, bottom in progress(parts, "columns of G", unit="panel"):
            windows[number] = low, high, top, bottom
            panel = accumulate(rows(), layout, windows, threads).reshape(high - low, bottom - top)
            mass += 2 * float(sum((column**2).sum() for column in panel))
    return mass


def panels(size: int, leading: int, memory_bytes: float) -> Iterator[tuple[int, int, int, int]]:
    """Windows that cover a component below the diagonal, without its leading block."""
    low = 0
    while low < size - 1:
        top, limit = (leading, leading) if low < leading else (low, size)
        high = min(limit, low + max(1, int(min(memory_bytes / 8 / (size - top), size))))
        yield low, high, top, size
        low = high


def _roots(parent: NDArray[np.int64]) -> NDArray[np.int64]:
    """(V,) the root of each token's tree."""
    while (parent != parent[parent]).any():
        parent = parent[parent]
    return parent


@numba.njit(cache=True, nogil=True)
def _join(parent, indptr, indices):
    """Join the tokens of each row: the root of a tree is its smallest token."""
    for row in range(len(indptr) - 1):
        for entry in range(indptr[row] + 1, indptr[row + 1]):
            left, right = indices[entry - 1], indices[entry]
            while left != parent[left]:
                parent[left] = parent[parent[left]]
                left = parent[left]
            while right != parent[right]:
                parent[right] = parent[parent[right]]
                right = parent[right]
            parent[max(left, right)] = min(left, right)


@numba.njit(cache=True, nogil=True)
def _add(buffer, bounds, component, windows, starts, indptr, indices, data, thread, threads):
    """Add the outer product of each row with itself, in the columns that are this thread's."""
    for row in range(len(indptr) - 1):
        begin, end = indptr[row], indptr[row + 1]
        number = component[indices[begin]]
        low, high, top, bottom = windows[number]
        first = bounds[number]
        while end > begin and indices[end - 1] - first >= bottom:
            end -= 1
        inside = begin  # entries from here on lie below the window's top
        while inside < end and indices[inside] - first < top:
            inside += 1
        for left in range(begin, end):
            column = indices[left] - first
            if column >= high:
                break
            if column < low or column % threads != thread:
                continue
            value = data[left]
            place = starts[number] + (column - low) * (bottom - top) - top - first
            for right in range(max(left + 1, inside), end):
                buffer[place + indices[right]] += value * data[right]
