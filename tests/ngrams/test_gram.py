import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from lm_saturation.ngrams import gram
from tests.ngrams.matrices import adversarial, language_like, real_matrix, survey_of

SEEDS = st.integers(0, 2**32)


def gram_in_order(matrix, layout):
    """G as a dense matrix, in the order of the layout."""
    types = np.argsort(layout.position)[-len(layout.component) :]
    return (matrix.T @ matrix).toarray()[np.ix_(types, types)]


def cut(matrix, rng):
    """The same rows in blocks of random sizes, some of them empty."""
    cuts = np.sort(rng.integers(0, matrix.shape[0] + 1, 4))
    return [matrix[low:high] for low, high in zip([0, *cuts], [*cuts, matrix.shape[0]], strict=True)]


@settings(deadline=None, max_examples=60)
@given(SEEDS, st.integers(1, 60), st.integers(1, 40))
def test_layout_is_components_by_size_then_norms(seed, rows, vocabulary):
    rng = np.random.default_rng(seed)
    matrix = csr_array(language_like(rng, rows, vocabulary))
    layout = gram.lay_out(survey_of(*cut(matrix, rng)))
    dense = gram_in_order(matrix, layout)
    count, label = connected_components(csr_array(dense), directed=False)
    assert len(layout.sizes) == count
    assert sorted(layout.sizes) == sorted(np.bincount(label))
    assert (np.diff(layout.sizes) <= 0).all()
    for begin, end in zip(layout.bounds, layout.bounds[1:], strict=False):
        assert len(set(label[begin:end])) == 1
        assert (np.diff(layout.squared_norms[begin:end]) <= 0).all()
    np.testing.assert_allclose(layout.squared_norms, dense.diagonal(), rtol=1e-12)


@settings(deadline=None, max_examples=60)
@given(SEEDS, st.integers(1, 60), st.integers(1, 40), st.integers(0, 40), st.integers(0, 3000))
def test_leading_blocks_and_the_mass_outside_make_up_g(seed, rows, vocabulary, limit, memory_bytes):
    rng = np.random.default_rng(seed)
    matrix = csr_array(language_like(rng, rows, vocabulary, maximum=8))
    layout = gram.lay_out(survey_of(matrix))
    dense = gram_in_order(matrix, layout)
    leading = np.minimum(layout.sizes, limit)
    coupling = list(gram.coupling_rows(cut(matrix, rng), layout))
    blocks = iter(gram.leading_blocks(coupling, layout, leading, threads=2))
    for begin, size in zip(layout.bounds, leading, strict=False):
        if size:
            np.testing.assert_allclose(
                np.tril(next(blocks)), np.tril(dense[begin:][:size, begin:][:, :size]), atol=1e-12
            )
            dense[begin:][:size, begin:][:, :size] = 0
    np.fill_diagonal(dense, 0)
    mass = gram.off_diagonal_mass(lambda: coupling, layout, leading, memory_bytes, threads=2)
    assert mass == pytest.approx((dense**2).sum(), abs=1e-12)


@pytest.mark.parametrize("order", [2, 3, 5])
def test_sums_are_the_same_to_the_byte_whatever_the_threads(order):
    matrix = real_matrix(order)
    layout = gram.lay_out(survey_of(matrix))
    leading = np.minimum(layout.sizes, 500)
    rows = list(gram.coupling_rows([matrix], layout))
    once, *others = (
        np.concatenate([b.ravel() for b in gram.leading_blocks(rows, layout, leading, n)]) for n in (1, 2, 5)
    )
    assert all(once.tobytes() == other.tobytes() for other in others)
    assert len({gram.off_diagonal_mass(lambda: rows, layout, leading, 1e6, n) for n in (1, 2, 5)}) == 1


@pytest.mark.parametrize("name", adversarial())
def test_adversarial_matrices(name):
    matrix = csr_array(adversarial()[name])
    layout = gram.lay_out(survey_of(matrix))
    rows = list(gram.coupling_rows([matrix], layout))
    dense = gram_in_order(matrix, layout)
    mass = gram.off_diagonal_mass(lambda: rows, layout, np.zeros_like(layout.sizes), 1000, threads=1)
    assert mass == pytest.approx((dense**2).sum() - (dense.diagonal() ** 2).sum(), abs=1e-12)


def test_a_panel_holds_what_memory_allows():
    panels = list(gram.panels(size=100, leading=30, memory_bytes=8 * 700))
    assert all((high - low) * (bottom - top) <= 700 for low, high, top, bottom in panels)
    assert [low for low, *_ in panels] == [0, *(high for _, high, *_ in panels[:-1])]
    assert panels[-1][1] == 100
    assert list(gram.panels(size=3, leading=0, memory_bytes=0)) == [(0, 1, 0, 3), (1, 2, 1, 3)]
