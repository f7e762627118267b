import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from lm_saturation.ngrams import elimination, gram
from lm_saturation.ngrams.elimination import Couplings, capped_traces, find_couplings, levels, lower_tails
from lm_saturation.ngrams.spectrum import Limits, exact_spectrum, find_spectrum
from tests.ngrams.matrices import adversarial, language_like, real_matrix, survey_of

SEEDS = st.integers(0, 2**32)


def couplings_of(dense, cuts=None):
    """The sums of a dense G, its tokens already sorted, at every cut or at some."""
    cuts = np.arange(len(dense)) if cuts is None else cuts
    elements = np.abs(dense - np.diag(np.diag(dense)))
    outside = np.stack([(elements[:, cut:] ** 2).sum(1) for cut in cuts])
    weights = np.diag(dense) ** elimination.WEIGHT
    inside = np.stack([elements[:, :cut] @ weights[:cut] / weights for cut in cuts])
    return Couplings(np.asarray(cuts), np.diag(dense).copy(), outside, inside)


def sorted_gram(matrix):
    """G without empty tokens, by falling norm."""
    dense = matrix.T @ matrix
    order = np.argsort(-np.diag(dense), kind="stable")[: np.count_nonzero(np.diag(dense))]
    return dense[np.ix_(order, order)]


def tails_of(dense):
    return np.append(np.cumsum(np.linalg.eigvalsh(dense))[::-1][1:], 0.0)


def assert_below_the_truth(dense):
    """At every level, with every cut alone and with all, and at every d."""
    eigenvalues, trace = np.linalg.eigvalsh(dense), np.trace(dense)
    heights = np.concatenate([np.linspace(1e-3, 1.2, 25) * eigenvalues[-1], np.diag(dense), eigenvalues[-3:]])
    heights = heights[heights > 0]
    truth = np.minimum(eigenvalues, heights[:, None]).sum(1)
    assert (capped_traces(couplings_of(dense), heights) <= truth + 1e-12 * trace).all()
    for cut in range(len(dense)):
        assert (capped_traces(couplings_of(dense, [cut]), heights) <= truth + 1e-12 * trace).all()
    assert (lower_tails(np.diag(dense), [couplings_of(dense)]) <= tails_of(dense) + 1e-12 * trace).all()


@settings(deadline=None, max_examples=100)
@given(SEEDS, st.integers(1, 60), st.integers(1, 25), st.booleans())
def test_never_above_the_truth(seed, rows, vocabulary, signs):
    rng = np.random.default_rng(seed)
    matrix = language_like(rng, rows, vocabulary, maximum=10)
    assert_below_the_truth(sorted_gram(matrix * rng.choice([-1, 1], matrix.shape) if signs else matrix))


@pytest.mark.parametrize("name", adversarial())
def test_never_above_the_truth_of_adversarial_matrices(name):
    assert_below_the_truth(sorted_gram(adversarial()[name]))


@settings(deadline=None, max_examples=60)
@given(SEEDS, st.integers(2, 12), st.floats(0.01, 3), st.floats(-6, 0))
def test_never_above_the_truth_when_eliminating_is_easy_or_hardly_possible(seed, size, coupling, exponent):
    """Few eigenvalues, a gap in the diagonal, couplings up to what a positive G allows."""
    rng = np.random.default_rng(seed)
    scales = np.sort(10 ** rng.uniform(exponent, 0, size))[::-1]
    correlation = np.corrcoef(np.eye(size) + coupling * rng.standard_normal((size, size)))
    assert_below_the_truth(correlation * np.sqrt(np.outer(scales, scales)))


@pytest.mark.parametrize(
    ("mean", "variance", "level"), [(1, 0.2, 1.3), (1, 0.2, 0.8), (1, 3, 0.5), (2, 5, 2), (1, 0, 1)]
)
def test_a_token_alone_gets_the_smallest_expectation(mean, variance, level):
    """Against a linear program over distributions on a fine grid."""
    grid = np.linspace(0, 12, 2401)
    moments = np.stack([np.ones_like(grid), grid, grid**2])
    found = scipy.optimize.linprog(np.minimum(grid, level), A_eq=moments, b_eq=[1, mean, mean**2 + variance])
    alone = Couplings(np.array([0]), np.array([float(mean)]), np.array([[float(variance)]]), np.zeros((1, 1)))
    assert capped_traces(alone, np.array([float(level)]))[0] == pytest.approx(found.fun, abs=1e-4)


def test_two_tokens_by_hand():
    """The first eliminated: t + g - e²/(1 - t); the exact sum is t + g - e²/(1 - g) to second order in e."""
    dense = np.array([[1, 0.01], [0.01, 0.2]])
    bound = capped_traces(couplings_of(dense, [1]), np.array([0.5]))[0]
    assert bound == pytest.approx(0.5 + 0.2 - 0.01**2 / 0.5, abs=1e-15)
    assert np.minimum(np.linalg.eigvalsh(dense), 0.5).sum() - bound < 1e-4


def test_without_couplings_only_the_distance_of_levels_is_lost():
    values = np.sort(np.random.default_rng(0).pareto(1, 3000))[::-1]
    truth = np.append(np.cumsum(values[::-1])[::-1][1:], 0)
    found = lower_tails(values, [])
    assert (found <= truth).all()
    assert (found >= truth * (1 - 2 * elimination.RESOLUTION) - 1e-11 * values.sum()).all()
    assert len(levels(values)) < 1000


@pytest.mark.parametrize("order", [2, 4])
def test_sums_are_those_of_a_dense_matrix_whatever_memory_and_threads(order):
    matrix = real_matrix(order, tokens=4000)
    layout = gram.lay_out(survey_of(matrix))
    rows = list(gram.coupling_rows([matrix], layout))
    types = np.argsort(layout.position)[-len(layout.component) :][: layout.sizes[0]]
    dense = (matrix.T @ matrix).toarray()[np.ix_(types, types)]
    found = find_couplings(lambda: rows, layout, 0, 1e9, 1)
    expected = couplings_of(dense, found.cuts)
    np.testing.assert_allclose(found.norms, expected.norms)
    np.testing.assert_allclose(found.outside, expected.outside, atol=1e-12)
    np.testing.assert_allclose(found.inside, expected.inside, atol=1e-10)
    for memory_bytes, threads in ((1e5, 1), (3e5, 3)):
        again = find_couplings(lambda: rows, layout, 0, memory_bytes, threads)
        assert again.outside.tobytes() == found.outside.tobytes()
        assert again.inside.tobytes() == found.inside.tobytes()


@pytest.mark.parametrize(("order", "width"), [(3, 0.03), (4, 0.015), (5, 0.008)])
def test_width_on_real_text(order, width):
    """Without one eigensolve of the large component; the exact W-error inside at every d.

    The widest lies at the end, among tokens seen once: of 1e7 5-grams it is a tenth of this.
    """
    matrix = real_matrix(order)
    spectrum = find_spectrum(lambda: [matrix], survey_of(matrix), Limits(exact=100, tolerance=1.0))
    truth = exact_spectrum(matrix).w_error
    assert (spectrum.w_error_low**2 <= truth**2 + 1e-12).all()
    assert (spectrum.w_error_high**2 >= truth**2 - 1e-12).all()
    assert (spectrum.w_error_high - spectrum.w_error_low).max() < width


def test_components_that_are_small_are_solved():
    rng = np.random.default_rng(0)
    blocks = [language_like(rng, 200, size, maximum=10) for size in (30, 12, 7)]
    dense = np.zeros((600, 49))
    dense[:200, :30], dense[200:400, 30:42], dense[400:, 42:] = blocks
    matrix = csr_array(dense)
    spectrum = find_spectrum(lambda: [matrix], survey_of(matrix), Limits(exact=20, tolerance=1.0))
    truth = exact_spectrum(matrix).w_error
    assert (spectrum.w_error_low <= truth + 1e-9).all()
    assert (spectrum.w_error_high >= truth - 1e-9).all()
    norms_alone = find_spectrum(lambda: [matrix], survey_of(matrix), Limits(exact=1, tolerance=1.0)).w_error_high
    assert (spectrum.w_error_high <= norms_alone + 1e-12).all()
    assert (spectrum.w_error_high < norms_alone - 1e-4).any()
