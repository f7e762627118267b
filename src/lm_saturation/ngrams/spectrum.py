"""The singular values of W and W-error at every d: exact by components, and bounds where a component is too large.

A token alone in its component of G = WᵀW has its diagonal entry as eigenvalue; every other component gets one dense
symmetric eigensolve in float64. Nothing is iterative, randomised or truncated. A component of more types than a limit
is bracketed without an eigensolve (elimination.py). Where that is too wide, its tokens of largest column norm are
solved (bracket.py); where it still is, an estimate is put into the bracket (lanczos.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.sparse import csr_array

from lm_saturation.io.logs import log
from lm_saturation.ngrams import gram, lanczos
from lm_saturation.ngrams.bracket import lower_bound, tail_sums, upper_bound
from lm_saturation.ngrams.elimination import find_couplings, lower_tails
from lm_saturation.ngrams.gram import Layout, Rows, Survey

METHODS = ["exact", "bracket", "lanczos"]  # of W-error, the most exact first
ENTRY_BYTES = 12  # of an entry of W in memory


@dataclass(frozen=True)
class Limits:
    """The work allowed: components of more types than `exact` are bracketed, brackets wider than `tolerance` estimated.

    `memory_bytes` is the memory beside the blocks that are solved; `device` is cpu or cuda.
    """

    exact: float = np.inf
    tolerance: float = 0.0
    memory_bytes: float = np.inf
    threads: int = 1
    device: str = "cpu"


@dataclass(frozen=True)
class Spectrum:
    """The spectrum of W, as far as it is known; arrays are (types,), at d = 1..types.

    `singular_values` in falling order, zeros included; None if not all are exact. `w_error` lies from `w_error_low` to
    `w_error_high` and comes from `method`, one of METHODS. `component_sizes` are types in each component, falling.
    """

    singular_values: NDArray[np.float64] | None
    w_error: NDArray[np.float64]
    w_error_low: NDArray[np.float64]
    w_error_high: NDArray[np.float64]
    column_norm_w_error: NDArray[np.float64]
    method: NDArray[np.str_]
    component_sizes: NDArray[np.int64]

    @property
    def rank(self) -> int | None:
        """Singular values that are not zero; None if not all are exact."""
        return None if self.singular_values is None else int(np.count_nonzero(self.singular_values))

    def columns(self) -> dict[str, Any]:
        """The columns of the table `ngram_spectrum` that hold the spectrum."""
        return {
            "dimension": np.arange(1, len(self.w_error) + 1),
            "singular_value": self.singular_values,
            "w_error": self.w_error,
            "column_norm_w_error": self.column_norm_w_error,
            "w_error_low": self.w_error_low,
            "w_error_high": self.w_error_high,
            "method": self.method,
        }


def exact_spectrum(matrix: csr_array, threads: int = 1) -> Spectrum:
    """The exact spectrum of `matrix` (rows, V), with a singular value for each column that is not empty.

    Raises ArithmeticError as `find_spectrum`.
    """
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    survey = Survey(matrix.shape[1])
    survey.add(matrix)
    return find_spectrum(lambda: [matrix], survey, Limits(threads=threads))


def find_spectrum(matrix_rows: Rows, survey: Survey, limits: Limits) -> Spectrum:
    """The spectrum of the matrix (rows, V) of these rows; `survey` is of all of them.

    Eigenvalues of a block of n types below n · eps · its largest are rounding error and count as zero. Raises
    ArithmeticError if the squares do not sum to the squared Frobenius norm.
    """
    layout = gram.lay_out(survey)
    if (layout.sizes > max(limits.exact, 1)).any():
        rows = _rows_again(matrix_rows, survey, layout, limits.memory_bytes / 2)
        return _bracketed(rows, layout, limits)
    eigenvalues = _pinched_eigenvalues(gram.coupling_rows(matrix_rows(), layout), layout, layout.sizes, limits)
    errors, method = upper_bound(eigenvalues), np.full(len(eigenvalues), "exact")
    return Spectrum(np.sqrt(eigenvalues), errors, errors, errors, _norms_alone(layout), method, layout.sizes)


def w_error(singular_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) W-error at d = 1..n: sqrt(Σ_{i>d} σ_i²) / ‖W‖_F (arXiv 2404.07647, Fig 7)."""
    return upper_bound(singular_values**2)


def unigram_w_error(token_counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n,) sqrt(1 - coverage(d)) at d = 1..n: coverage is the share of the d most frequent of n tokens.

    W-error of a matrix whose rows are all one-hot: the part that token frequency alone explains.
    """
    return w_error(np.sqrt(np.sort(token_counts)[::-1]))


def smallest_dimension(errors: NDArray[np.float64], threshold: float) -> int:
    """The smallest d with W-error at most `threshold`; errors (n,) at d = 1..n. W-error(0) is 1."""
    return int(np.searchsorted(-errors, -threshold)) + 1


def _norms_alone(layout: Layout) -> NDArray[np.float64]:
    return upper_bound(np.sort(layout.squared_norms)[::-1])


def _bracketed(rows: Rows, layout: Layout, limits: Limits) -> Spectrum:
    """Bounds without an eigensolve of the large components; where too wide, with their leading blocks solved."""
    low, high = _eliminated_bounds(rows, layout, limits)
    errors, wide = high, high - low > limits.tolerance
    log.info("%d types in a component: W-error is bracketed to %.1e", layout.sizes[0], (high - low).max())
    if wide.any():
        leading = np.where(layout.sizes > 1, np.minimum(layout.sizes, limits.exact), 0).astype(np.int64)
        eigenvalues = _pinched_eigenvalues(rows(), layout, leading, limits)
        mass = gram.off_diagonal_mass(rows, layout, leading, limits.memory_bytes / 2, limits.threads)
        high = np.minimum(high, upper_bound(eigenvalues))
        low = np.minimum(np.maximum(low, lower_bound(eigenvalues, mass)), high)
        log.info("with %d of its types solved, to %.1e", leading[0], (high - low).max())
        errors, wide = high, high - low > limits.tolerance
    if wide.any():
        estimate = np.clip(_estimate(rows, layout, leading, eigenvalues, limits.threads), low, high)
        errors = np.minimum.accumulate(np.where(wide, estimate, errors))
    method = np.where(wide, "lanczos", "bracket")
    return Spectrum(None, errors, low, high, _norms_alone(layout), method, layout.sizes)


def _eliminated_bounds(rows: Rows, layout: Layout, limits: Limits) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n,) low and high of W-error (elimination.py), with only those components solved that are not too large."""
    large = layout.sizes > max(limits.exact, 1)
    eigenvalues = _pinched_eigenvalues(rows(), layout, np.where(large, 0, layout.sizes), limits)
    memory_bytes, threads = limits.memory_bytes / 2, limits.threads
    numbers = map(int, np.flatnonzero(large))
    couplings = [find_couplings(rows, layout, number, memory_bytes, threads) for number in numbers]
    high = upper_bound(eigenvalues)
    low = np.sqrt(lower_tails(eigenvalues, couplings, threads) / eigenvalues.sum())
    return np.minimum(low, high), high


def _pinched_eigenvalues(
    rows: Iterable[csr_array], layout: Layout, leading: NDArray[np.int64], limits: Limits
) -> NDArray[np.float64]:
    """(n,) falling: those of the first `leading` types of each component, and the diagonal elements of all others."""
    leading = np.where(layout.sizes > 1, leading, 0)  # the eigenvalue of a type alone is its diagonal element
    if limits.device == "cuda":
        from lm_saturation.ngrams import gpu  # here, because it imports PyTorch

        solved = [gpu.eigenvalues(block) for block in gpu.leading_blocks(rows, layout, leading)]
    else:
        solved = [_eigenvalues(block) for block in gram.leading_blocks(rows, layout, leading, limits.threads)]
    alone = layout.squared_norms[layout.place >= leading[layout.component]]
    eigenvalues = np.concatenate([alone, *map(_without_rounding, solved)])
    total, norm = eigenvalues.sum(), layout.squared_norms.sum()
    if abs(total - norm) > 1e-9 * norm:
        raise ArithmeticError(f"squared singular values sum to {total}, the squared entries to {norm}")
    return np.sort(eigenvalues)[::-1]


def _eigenvalues(block: NDArray[np.float64]) -> NDArray[np.float64]:
    return scipy.linalg.eigvalsh(block, overwrite_a=True, check_finite=False, driver="evd")


def _without_rounding(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(values > len(values) * np.finfo(float).eps * values[-1], values, 0.0)


def _rows_again(matrix_rows: Rows, survey: Survey, layout: Layout, memory_bytes: float) -> Rows:
    """The coupling rows, for many passes: kept in memory if they fit, else made each time."""
    if survey.coupling_entries * ENTRY_BYTES > memory_bytes:
        return lambda: gram.coupling_rows(matrix_rows(), layout)
    kept = list(gram.coupling_rows(matrix_rows(), layout))
    return lambda: kept


def _estimate(
    rows: Rows, layout: Layout, leading: NDArray[np.int64], eigenvalues: NDArray[np.float64], threads: int
) -> NDArray[np.float64]:
    """(n,) W-error by Lanczos; `eigenvalues` (n,) are those of the leading blocks and the other diagonal elements."""
    solved = gram.leading_blocks(rows(), layout, leading, threads)
    blocks = list(zip(layout.bounds[np.flatnonzero(leading)], solved, strict=True))
    product = lanczos.gram_product(rows, layout.squared_norms, threads)
    pinched = lanczos.pinched_product(blocks, layout.squared_norms)
    difference, error = lanczos.tail_difference(product, pinched, len(eigenvalues))
    norm = eigenvalues.sum()
    log.info("estimated by Lanczos: standard error of its square at most %.1e", error.max() / norm)
    return np.sqrt(np.maximum(tail_sums(eigenvalues) + difference, 0) / norm)
