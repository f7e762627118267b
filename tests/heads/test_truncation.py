"""Cuts of a head, against numpy's SVD and against any other head of their rank."""

import numpy as np
import pytest
import torch

from lm_saturation.heads.truncation import CUTS, cut
from tests.heads.problems import problem


@pytest.fixture(scope="module")
def setting():
    """States of uneven spread (n, d), a head (V, d) that is not centred, and the second moment of the states."""
    states, _, head = problem(tokens=500)
    states = states * torch.linspace(0.2, 3, 8) + torch.linspace(-2, 2, 8)
    return states, head + 0.7, states.T @ states / len(states)


def product(truncation, head, rank):
    first, second = truncation.factors(head, rank)
    assert first.shape == (rank, len(head))
    assert second.shape == (rank, head.shape[1])
    return first.T @ second


@pytest.mark.parametrize("rank", [1, 3, 7, 8])
def test_truncated_is_numpys(setting, rank):
    _, head, moment = setting
    truncation = cut("truncated", head, moment)
    left, values, right = np.linalg.svd(head.numpy(), full_matrices=False)
    truth = (left[:, :rank] * values[:rank]) @ right[:rank]
    np.testing.assert_allclose(product(truncation, head, rank), truth, atol=1e-8)
    np.testing.assert_allclose(truncation.values, values, rtol=1e-8)
    assert truncation.error(rank) == pytest.approx(np.sqrt((values[rank:] ** 2).sum() / (values**2).sum()), abs=1e-9)


@pytest.mark.parametrize("name", CUTS)
def test_the_full_rank_changes_no_probability(setting, name):
    states, head, moment = setting
    full_rank = product(cut(name, head, moment), head, head.shape[1])
    probability = torch.softmax(states @ head.T, 1)
    torch.testing.assert_close(torch.softmax(states @ full_rank.T, 1), probability, atol=1e-8, rtol=1e-6)


def squared_error(name, states, difference):
    """The error that each cut makes smallest."""
    rows = difference - difference.mean(0) if name.endswith("centred") else difference
    return float((states @ rows.T).square().sum(1).mean() if name.startswith("weighted") else rows.square().sum())


@pytest.mark.parametrize("name", CUTS)
@pytest.mark.parametrize("rank", [1, 4])
def test_no_other_head_of_that_rank_is_nearer(setting, name, rank):
    states, head, moment = setting
    best = squared_error(name, states, product(cut(name, head, moment), head, rank) - head)
    for another in CUTS:
        assert best <= squared_error(name, states, product(cut(another, head, moment), head, rank) - head) * (1 + 1e-9)
    left, right = cut(name, head, moment).factors(head, rank)
    generator = torch.Generator().manual_seed(0)
    for size in (1e-3, 1e-1):
        moved = [side + size * torch.randn(side.shape, generator=generator, dtype=side.dtype) for side in (left, right)]
        assert best < squared_error(name, states, moved[0].T @ moved[1] - head)


def test_a_direction_that_no_state_takes_costs_nothing(setting):
    states, head, _ = setting
    flat = states.clone()
    flat[:, 3] = 0
    truncation = cut("weighted", head, flat.T @ flat / len(flat))
    full_rank = product(truncation, head, head.shape[1])
    assert torch.isfinite(full_rank).all()
    torch.testing.assert_close(flat @ full_rank.T, flat @ head.T)
