"""Anisotropy against the mean over all pairs."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lm_saturation.inference import blocks
from lm_saturation.metrics.anisotropy import anisotropy


def by_pairs(states):
    """The definition, O(n²)."""
    states = np.asarray(states, np.float64)
    cosines = [
        float(a @ b / np.sqrt(a @ a) / np.sqrt(b @ b)) if a.any() and b.any() else 0.0
        for i, a in enumerate(states)
        for j, b in enumerate(states)
        if i != j
    ]
    return np.mean(cosines) if cosines else 0.0


@pytest.mark.parametrize("shift", [0.0, 3.0, 1000.0])
def test_equals_the_mean_over_all_pairs_raw_and_centred(monkeypatch, shift):
    monkeypatch.setattr(blocks, "ELEMENTS", 64)  # several blocks
    states = torch.randn(60, 8, generator=torch.Generator().manual_seed(0)) + shift
    found = anisotropy(states)
    mean = states.double().mean(0)
    assert found.raw == pytest.approx(by_pairs(states), abs=1e-12)
    assert found.centred == pytest.approx(by_pairs(states.double() - mean), abs=1e-12)
    assert found.mean_share == pytest.approx(float(mean @ mean) * 60 / float(states.double().square().sum()))
    assert found.mean_norm == pytest.approx(float(states.double().norm(dim=1).mean()))


@given(arrays(np.float32, st.tuples(st.integers(2, 12), st.integers(1, 5)), elements=st.integers(-9, 9)))
def test_any_states_states_of_norm_zero_among_them(states):
    found = anisotropy(torch.from_numpy(states))
    assert found.raw == pytest.approx(by_pairs(states), abs=1e-9)
    assert -1 <= found.raw <= 1
    assert -1 <= found.centred <= 1
    assert 0 <= found.mean_share <= 1


def test_order_shape_and_scale_do_not_matter():
    states = torch.randn(24, 6, generator=torch.Generator().manual_seed(1)) + 1
    one = anisotropy(states)
    assert anisotropy((states * 8).flip(0)).raw == pytest.approx(one.raw, abs=1e-12)
    assert anisotropy(states.view(4, 6, 6)) == one


def test_known_values():
    assert anisotropy(torch.ones(5, 3)).raw == pytest.approx(1)
    assert anisotropy(torch.ones(5, 3)).centred == 0
    assert anisotropy(torch.eye(4)).raw == pytest.approx(0, abs=1e-15)
    assert anisotropy(torch.eye(4)).centred == pytest.approx(-1 / 3)  # a simplex
    assert anisotropy(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).raw == -1
    assert anisotropy(torch.ones(1, 3)).raw == 0


def test_bfloat16_states_are_summed_in_float64():
    states = (torch.randn(4000, 16, generator=torch.Generator().manual_seed(2)) + 2).bfloat16()
    assert anisotropy(states).raw == pytest.approx(anisotropy(states.double()).raw, abs=1e-12)


def test_states_that_are_not_finite_show():
    states = torch.randn(5, 3)
    states[2, 1] = torch.nan
    assert np.isnan(anisotropy(states).mean_norm)
