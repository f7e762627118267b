import numpy as np
import pytest
from scipy.sparse import csr_array

from lm_saturation.ngrams import gram, lanczos
from lm_saturation.ngrams.spectrum import Limits, exact_spectrum, find_spectrum
from tests.ngrams.matrices import real_matrix, survey_of


def signs(size):
    return np.random.default_rng(1).choice([-1.0, 1.0], (3, size))


@pytest.mark.parametrize(
    "eigenvalues", [np.arange(1.0, 41), np.ones(40), np.repeat([5.0, 2.0, 0.0], [4, 16, 20]), np.zeros(40), np.ones(1)]
)
def test_quadrature_of_a_diagonal_matrix_is_exact(eigenvalues):
    """Signs square to one, so vᵀf(D)v = Σf(λ); equal eigenvalues exhaust the Krylov space early."""
    nodes, weights = lanczos.quadrature(lambda vectors: vectors * eigenvalues, signs(len(eigenvalues)))
    np.testing.assert_allclose(weights.sum(1), len(eigenvalues), rtol=1e-12)
    for power in range(4):
        np.testing.assert_allclose((weights * nodes**power).sum(1), (eigenvalues**power).sum(), rtol=1e-9)
    falling = np.sort(eigenvalues)[::-1]
    tails = falling.sum() - np.cumsum(falling)
    np.testing.assert_allclose(lanczos.quadrature_tails(nodes, weights).mean(0), tails, atol=1e-7 * (1 + falling.sum()))


def test_tails_are_the_lowest_part_of_the_measure_and_the_best_of_all_levels():
    rng = np.random.default_rng(0)
    nodes, weights = np.sort(rng.random((5, 20)), axis=1), 30 * rng.dirichlet(np.ones(20), 5)
    tails = lanczos.quadrature_tails(nodes, weights).mean(0)
    for d in range(1, 31):
        levels = [(weights * np.minimum(nodes, t)).sum() / 5 - d * t for t in [0, *nodes.ravel()]]
        assert tails[d - 1] == pytest.approx(max(levels))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_products_equal_those_of_dense_matrices(threads):
    matrix = real_matrix(3, tokens=3000)
    layout = gram.lay_out(survey_of(matrix))
    rows = list(gram.coupling_rows([matrix], layout))
    dense = (matrix.T @ matrix).toarray()
    types = np.argsort(layout.position)[-len(layout.component) :]
    dense = dense[np.ix_(types, types)]
    vectors = signs(len(types))
    products = lanczos.gram_product(lambda: rows, layout.squared_norms, threads)(vectors)
    np.testing.assert_allclose(products, vectors @ dense, atol=1e-10)
    assert products.tobytes() == lanczos.gram_product(lambda: rows, layout.squared_norms, 1)(vectors).tobytes()
    leading = np.minimum(layout.sizes, 50)
    blocks = gram.leading_blocks(rows, layout, leading, threads)
    pinched = np.zeros_like(dense)
    for begin, size in zip(layout.bounds, leading, strict=False):
        here = slice(begin, begin + size)
        pinched[here, here] = dense[here, here]
    np.fill_diagonal(pinched, dense.diagonal())
    product = lanczos.pinched_product(list(zip(layout.bounds, blocks, strict=False)), layout.squared_norms)
    np.testing.assert_allclose(product(vectors), vectors @ pinched, atol=1e-10)


@pytest.mark.parametrize(("order", "tolerance", "error"), [(2, 5e-3, 8e-3), (3, 1e-3, 6e-3), (5, 1e-4, 5e-3)])
def test_estimates_on_real_text_are_closer_than_the_bound(order, tolerance, error):
    matrix = real_matrix(order)
    exact = exact_spectrum(matrix)
    limits = Limits(exact=500, tolerance=tolerance, memory_bytes=1e8, threads=2)
    spectrum = find_spectrum(lambda: [matrix], survey_of(matrix), limits)
    wide = spectrum.w_error_high - spectrum.w_error_low > tolerance
    np.testing.assert_array_equal(spectrum.method, np.where(wide, "lanczos", "bracket"))
    assert wide.any()
    assert np.abs(spectrum.w_error - exact.w_error).max() < error
    estimated, bound = (np.abs(of - exact.w_error)[wide].mean() for of in (spectrum.w_error, spectrum.w_error_high))
    assert estimated < bound / 2


@pytest.mark.parametrize("order", [2, 3, 5])
def test_the_control_variate_takes_most_of_the_error_away(monkeypatch, order):
    """Few steps for this few types, as is the rule for many types."""
    monkeypatch.setattr(lanczos, "STEPS", 30)
    matrix = real_matrix(order)
    layout = gram.lay_out(survey_of(matrix))
    rows, size = list(gram.coupling_rows([matrix], layout)), len(layout.component)
    leading = np.where(layout.sizes > 1, np.minimum(layout.sizes, 300), 0)
    blocks = list(zip(layout.bounds, gram.leading_blocks(rows, layout, leading, 1), strict=False))
    product = lanczos.gram_product(lambda: rows, layout.squared_norms, 2)
    difference, error = lanczos.tail_difference(product, lanczos.pinched_product(blocks, layout.squared_norms), size)
    plain = lanczos.quadrature_tails(*lanczos.quadrature(product, signs(size))).mean(0)
    norm = layout.squared_norms.sum()
    limits = Limits(exact=300, tolerance=0.0, memory_bytes=1e8)  # the leading block is solved
    known = find_spectrum(lambda: [matrix], survey_of(matrix), limits).w_error_high ** 2 * norm
    truth = exact_spectrum(matrix).w_error ** 2 * norm
    assert np.abs(known + difference - truth).mean() < np.abs(plain - truth).mean() / 2
    assert np.abs(known + difference - truth).max() < 8 * error.max()


def test_estimates_are_the_same_every_time():
    matrix = csr_array(real_matrix(3, tokens=5000))
    limits = Limits(exact=50, tolerance=0.0, memory_bytes=1e8)
    first, second = (find_spectrum(lambda: [matrix], survey_of(matrix), limits) for _ in range(2))
    assert first.w_error.tobytes() == second.w_error.tobytes()
