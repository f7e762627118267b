import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from lm_saturation.ngrams.bracket import largest_excess, lower_bound, tail_sums, upper_bound
from lm_saturation.ngrams.spectrum import Limits, exact_spectrum, find_spectrum
from tests.ngrams.matrices import adversarial, language_like, real_matrix, survey_of, w_error_of

SEEDS = st.integers(0, 2**32)


def bracketed(matrix, limit, tolerance=1.0, memory_bytes=1e5):
    limits = Limits(exact=limit, tolerance=tolerance, memory_bytes=memory_bytes)
    return find_spectrum(lambda: [matrix], survey_of(matrix), limits)


def assert_contains(spectrum, truth):
    """Bounds hold at every d; squares, because the root of a rounding error is large."""
    assert (spectrum.w_error_low**2 <= truth**2 + 1e-12).all()
    assert (spectrum.w_error_high**2 >= truth**2 - 1e-12).all()
    assert (spectrum.w_error_low <= spectrum.w_error).all()
    assert (spectrum.w_error <= spectrum.w_error_high).all()
    assert (np.diff(spectrum.w_error) <= 0).all()
    assert (spectrum.column_norm_w_error**2 >= spectrum.w_error_high**2 - 1e-12).all()


@settings(deadline=None, max_examples=100)
@given(SEEDS, st.integers(1, 60), st.integers(1, 40), st.integers(0, 40), st.sampled_from([1.0, 0.01]))
def test_contains_the_truth_at_every_d(seed, rows, vocabulary, limit, tolerance):
    dense = language_like(np.random.default_rng(seed), rows, vocabulary, maximum=10)
    assert_contains(bracketed(csr_array(dense), limit, tolerance), w_error_of(dense))


@pytest.mark.parametrize("tolerance", [1.0, 0.0])
@pytest.mark.parametrize("limit", [0, 1, 2, 10, 29])
@pytest.mark.parametrize("name", adversarial())
def test_contains_the_truth_of_adversarial_matrices(name, limit, tolerance):
    dense = adversarial()[name]
    assert_contains(bracketed(csr_array(dense), limit, tolerance), w_error_of(dense))


@settings(deadline=None, max_examples=25)
@given(SEEDS, st.integers(2, 6), st.floats(0.001, 3))
def test_excess_is_the_optimum_that_a_general_solver_finds(seed, size, mass):
    """Largest Σ_{i≤d} λ_i - μ_i over all falling λ ≥ 0 that majorise μ with Σλ² ≤ Σμ² + mass."""
    mu = np.sort(np.random.default_rng(seed).dirichlet(np.ones(size)))[::-1] * size
    ones = np.tril(np.ones((size, size)))
    constraints = [
        {"type": "eq", "fun": lambda x: x.sum() - mu.sum()},
        {"type": "ineq", "fun": lambda x: mass + (mu**2).sum() - (x**2).sum()},
        {"type": "ineq", "fun": lambda x: (ones @ (x - mu))[:-1]},
        {"type": "ineq", "fun": lambda x: x - np.append(x[1:], 0)},
    ]
    excess = largest_excess(mu, mass)
    for d in range(1, size):
        solved = scipy.optimize.minimize(
            lambda x, d=d: -x[:d].sum(), mu, constraints=constraints, options={"maxiter": 1000, "ftol": 1e-12}
        )
        assert excess[d - 1] == pytest.approx(-solved.fun - mu[:d].sum(), abs=1e-5)


def test_excess_by_hand():
    np.testing.assert_allclose(largest_excess(np.array([1.0, 1.0]), 0.5), [0.5, 0], rtol=1e-12)  # 1 ± 0.5
    np.testing.assert_allclose(largest_excess(np.array([1.0, 1.0]), 10.0), [1, 0], rtol=1e-12)  # 2 and 0
    np.testing.assert_allclose(largest_excess(np.array([2.0, 1.0]), 1.5), [(np.sqrt(4) - 1) / 2, 0], rtol=1e-12)
    assert tail_sums(np.array([3.0, 2.0, 1.0])).tolist() == [3, 1, 0]


def test_nothing_outside_the_leading_block_leaves_no_width():
    values = np.sort(np.random.default_rng(0).dirichlet(np.ones(300)))[::-1]
    np.testing.assert_allclose(lower_bound(values, 0.0) ** 2, upper_bound(values) ** 2, atol=1e-7)


@pytest.mark.parametrize(("order", "column_norms", "width"), [(2, 0.04, 0.2), (3, 0.015, 0.12), (5, 0.01, 0.06)])
def test_width_on_real_text(order, column_norms, width):
    """The bounds are what docs/method/ngrams.md says: the upper one is close, the shorter the context the less."""
    exact = exact_spectrum(real_matrix(order))
    spectrum = bracketed(real_matrix(order), 500)
    assert_contains(spectrum, exact.w_error)
    assert set(spectrum.method) == {"bracket"}
    assert spectrum.singular_values is spectrum.rank is None
    np.testing.assert_array_equal(spectrum.w_error, spectrum.w_error_high)
    np.testing.assert_allclose(spectrum.column_norm_w_error, exact.w_error, atol=column_norms)
    assert (spectrum.w_error_high - spectrum.w_error_low).max() < width
    narrower = bracketed(real_matrix(order), 1000)
    assert (narrower.w_error_high <= spectrum.w_error_high + 1e-7).all()


@pytest.mark.parametrize("tolerance", [1.0, 0.01])
def test_memory_and_blocks_do_not_matter(tolerance):
    """Without an eigensolve of the largest component, and with its leading block solved too."""
    matrix = real_matrix(3, tokens=10_000)
    uncut, cut = (bracketed(matrix, 300, tolerance, memory_bytes) for memory_bytes in (1e9, 1e6))
    assert (uncut.method == "lanczos").any() == (tolerance < 1)
    np.testing.assert_allclose(uncut.w_error_low**2, cut.w_error_low**2, atol=1e-12)
    blocks = [matrix[begin : begin + 1000] for begin in range(0, matrix.shape[0], 1000)]
    limits = Limits(exact=300, tolerance=tolerance, memory_bytes=1e6)
    of_blocks = find_spectrum(lambda: blocks, survey_of(*blocks), limits)
    np.testing.assert_allclose(uncut.w_error_low**2, of_blocks.w_error_low**2, atol=1e-12)
