import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array, random_array

from lm_saturation.ngrams.spectrum import exact_spectrum, smallest_dimension, unigram_w_error, w_error
from tests.ngrams.matrices import language_like


def dense_singular_values(dense):
    values = np.linalg.svd(dense[:, dense.any(0)], compute_uv=False)
    return np.append(values, np.zeros(dense.any(0).sum() - len(values)))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(1, 40))
def test_equal_to_dense_svd(seed, rows, vocabulary):
    dense = language_like(np.random.default_rng(seed), rows, vocabulary)
    spectrum = exact_spectrum(csr_array(dense))
    np.testing.assert_allclose(spectrum.singular_values, dense_singular_values(dense), atol=1e-7)
    assert spectrum.component_sizes.sum() == dense.any(0).sum()


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_dense_svd_when_large(seed):
    dense = language_like(np.random.default_rng(seed), 3000, 500)
    spectrum = exact_spectrum(csr_array(dense))
    truth = dense_singular_values(dense)
    np.testing.assert_allclose(spectrum.singular_values, truth, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(w_error(spectrum.singular_values), w_error(truth), atol=1e-9)
    assert spectrum.rank == np.linalg.matrix_rank(dense)


def test_a_matrix_made_from_known_singular_values():
    rng = np.random.default_rng(0)
    values = np.array([5.0, 3.0, 1.0, 0.5, 0.0, 0.0])
    left = np.linalg.qr(rng.standard_normal((20, 6)))[0]
    right = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    spectrum = exact_spectrum(csr_array(left * values @ right.T))
    np.testing.assert_allclose(spectrum.singular_values, values, atol=1e-7)
    assert spectrum.rank == 4
    assert spectrum.component_sizes.tolist() == [6]
    np.testing.assert_allclose(w_error(values)[:4] ** 2 * 35.25, [10.25, 1.25, 0.25, 0], atol=1e-12)


def test_components_are_found_and_need_not_be_neighbours():
    dense = np.zeros((6, 9))
    dense[0, [0, 5]] = 0.5, 0.5
    dense[1, [5, 8]] = 0.2, 0.8
    dense[2, [2, 3]] = 0.9, 0.1
    dense[3, 7] = dense[4, 7] = dense[5, 0] = 1
    spectrum = exact_spectrum(csr_array(dense))
    assert spectrum.component_sizes.tolist() == [3, 2, 1]
    np.testing.assert_allclose(spectrum.singular_values, dense_singular_values(dense), atol=1e-12)


@pytest.mark.parametrize("times", [255, 256, 257, 70_000])
def test_a_pair_coupled_very_often(times):
    rows = np.tile([[0.25, 0.75, 0.0]], (times, 1))
    spectrum = exact_spectrum(csr_array(np.vstack([rows, [[0, 0, 1]]])))
    assert spectrum.component_sizes.tolist() == [2, 1]
    np.testing.assert_allclose(spectrum.singular_values, [np.sqrt(0.625 * times), 1, 0], atol=1e-6)


def test_only_one_hot_rows_give_roots_of_counts():
    tokens = np.repeat([3, 0, 7], [4, 9, 1])
    spectrum = exact_spectrum(csr_array((np.ones(14), (np.arange(14), tokens)), shape=(14, 10)))
    np.testing.assert_allclose(spectrum.singular_values, [3, 2, 1])
    assert spectrum.component_sizes.tolist() == [1, 1, 1]
    np.testing.assert_array_equal(w_error(spectrum.singular_values), unigram_w_error(np.array([4, 9, 1])))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32), st.integers(2, 5))
def test_permuting_and_repeating_rows(seed, times):
    rng = np.random.default_rng(seed)
    dense = language_like(rng, 40, 15)
    values = exact_spectrum(csr_array(dense)).singular_values
    shuffled = dense[rng.permutation(40)][:, rng.permutation(15)]
    np.testing.assert_allclose(exact_spectrum(csr_array(shuffled)).singular_values, values, atol=1e-7)
    repeated = exact_spectrum(csr_array(np.tile(dense, (times, 1)))).singular_values
    np.testing.assert_allclose(repeated, np.sqrt(times) * values, atol=1e-7)
    np.testing.assert_allclose(w_error(repeated), w_error(values), atol=1e-7)


def test_index_types_of_scipy_do_not_matter():
    matrix = csr_array(random_array((50, 30), density=0.05, rng=np.random.default_rng(0)))
    matrix = matrix[np.diff(matrix.indptr) > 0]
    wide = csr_array((matrix.data, matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64)), shape=matrix.shape)
    np.testing.assert_array_equal(exact_spectrum(matrix).singular_values, exact_spectrum(wide).singular_values)


def test_wrong_sums_are_noticed(monkeypatch):
    monkeypatch.setattr("lm_saturation.ngrams.spectrum._eigenvalues", lambda block: np.ones(len(block)))
    with pytest.raises(ArithmeticError, match="singular values sum"):
        exact_spectrum(csr_array(np.array([[0.5, 0.5], [0.1, 0.9]])))


def test_smallest_dimension():
    errors = np.array([0.9, 0.5, 0.5, 0.2, 0.0])
    assert smallest_dimension(errors, 0.5) == 2
    assert smallest_dimension(errors, 0.05) == 5
    assert smallest_dimension(errors, 0.95) == 1
    brute = [next(d for d in range(1, 6) if errors[d - 1] <= t) for t in (0.9, 0.3, 0.2)]
    assert [smallest_dimension(errors, t) for t in (0.9, 0.3, 0.2)] == brute


def test_unigram_baseline_is_uncovered_share():
    counts = np.array([1, 5, 3, 1])
    expected = [np.sqrt(1 - covered / 10) for covered in (5, 8, 9, 10)]
    np.testing.assert_allclose(unigram_w_error(counts), expected, atol=1e-12)
