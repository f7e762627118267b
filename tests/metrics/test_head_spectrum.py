"""Singular values, entropies, effective rank and the correlation with token frequency, of known and random heads."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from lm_saturation.metrics import head_spectrum as module
from lm_saturation.metrics.effective_rank import effective_rank
from lm_saturation.metrics.head_spectrum import head_spectrum
from lm_saturation.metrics.singular_entropy import singular_entropy
from lm_saturation.metrics.token_frequency import frequency_correlation


def random_head(rows, width, seed=0, shift=0.0):
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed)) + shift


def svd(matrix):
    return torch.linalg.svdvals(torch.as_tensor(matrix).double()).numpy()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("rows", "width", "used"), [(300, 24, 300), (300, 24, 277), (40, 24, 20), (10, 24, 10), (10, 24, 7)]
)
def test_equals_svdvals_in_float64(monkeypatch, rows, width, used, dtype):
    monkeypatch.setattr(module, "ELEMENTS", 500)  # several blocks
    head = random_head(rows, width, shift=1.0).to(dtype)
    found = head_spectrum(head, used)
    plain = head[:used].double()
    for ours, matrix in (
        (found.plain, plain),
        (found.centred, plain - plain.mean(0)),
        (found.padded, head),
    ):
        exact = svd(matrix)
        assert len(ours) == min(rows, width)
        np.testing.assert_allclose(ours[: len(exact)], exact, rtol=1e-9, atol=2e-7 * exact[0])
        assert not ours[len(exact) :].any()
    assert found.norm == pytest.approx(float(plain.norm()))
    assert found.mean_share == pytest.approx(used * float(plain.mean(0).square().sum()) / found.norm**2)


def test_small_singular_values_survive_where_float32_would_lose_them():
    left, _ = torch.linalg.qr(random_head(200, 8, 1).double())
    right, _ = torch.linalg.qr(random_head(8, 8, 2).double())
    values = torch.logspace(0, -6, 8, dtype=torch.float64)
    found = head_spectrum(left @ torch.diag(values) @ right.T, 200)
    np.testing.assert_allclose(found.plain, values, rtol=1e-3)


def test_first_left_singular_vectors():
    head = random_head(120, 10, 3, shift=-0.3)
    found = head_spectrum(head, 120)
    for vector, matrix in ((found.first, head.double()), (found.first_centred, head.double() - head.double().mean(0))):
        exact = torch.linalg.svd(matrix, full_matrices=False)[0][:, 0].numpy()
        assert abs(vector @ exact) == pytest.approx(1, abs=1e-10)
    assert found.first.sum() > 0


def test_the_centred_spectrum_does_not_see_a_shift_of_all_rows():
    head, shift = random_head(200, 12, 4), random_head(1, 12, 5) * 30
    before, after = head_spectrum(head.double(), 200), head_spectrum((head + shift).double(), 200)
    np.testing.assert_allclose(before.centred, after.centred, rtol=1e-6)
    assert after.plain[0] > 10 * before.plain[0]
    assert after.mean_share > 0.99


@pytest.mark.parametrize("power", [1, 2])
def test_entropy_of_known_spectra(power):
    assert singular_entropy(np.full(7, 3.0), power) == pytest.approx(0, abs=1e-15)
    assert singular_entropy(np.array([5.0, 0, 0, 0]), power) == pytest.approx(np.log(4))
    assert singular_entropy(np.array([1.0, 1, 0, 0]), power) == pytest.approx(np.log(2))
    assert singular_entropy(np.zeros(4), power) == 0


def test_entropy_by_squares_and_by_values():
    values = np.array([3.0, 1.0])
    for power, share in ((2, 0.9), (1, 0.75)):
        p = np.array([share, 1 - share])
        assert singular_entropy(values, power) == pytest.approx((p * np.log(p / 0.5)).sum())


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=20), st.floats(1e-100, 1e100))
def test_entropy_and_effective_rank_are_bounded_and_free_of_scale(values, scale):
    values = np.array(values)
    for power in (1, 2):
        found = singular_entropy(values, power)
        assert 0 <= found <= np.log(len(values)) + 1e-12
        assert singular_entropy(values * scale, power) == pytest.approx(found, abs=1e-9)
    rank = effective_rank(values)
    assert 1 <= rank <= len(values) * (1 + 1e-12)
    assert np.log(rank) + singular_entropy(values, 1) == pytest.approx(np.log(len(values)))


def test_effective_rank_of_known_spectra():
    assert effective_rank(np.array([2.0, 2, 2, 0])) == pytest.approx(3)
    assert effective_rank(np.array([2.0, 0])) == 1
    assert effective_rank(np.zeros(3)) == 1


def test_frequency_correlation_is_spearmans_over_the_tokens_seen():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 20, 200)
    vector = rng.normal(size=200) + 0.1 * counts
    seen = counts > 0
    expected = spearmanr(vector[seen], np.log(counts[seen])).statistic
    assert frequency_correlation(vector, counts) == pytest.approx(expected)
    assert frequency_correlation(counts**2.0, counts) == pytest.approx(1)


def test_frequency_correlation_is_empty_where_there_is_none():
    assert frequency_correlation(np.arange(3.0), np.array([0, 4, 5])) is None
    assert frequency_correlation(np.arange(4.0), np.array([2, 2, 2, 2])) is None
    assert frequency_correlation(np.zeros(4), np.array([1, 2, 3, 4])) is None
