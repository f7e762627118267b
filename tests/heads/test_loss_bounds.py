"""The bounds of the loss gap, on random heads, cuts and refitted heads."""

import pytest
import torch

from lm_saturation.heads.factored_head import token_losses
from lm_saturation.heads.loss_bounds import bounds, compute_moments
from lm_saturation.heads.refit import refit
from lm_saturation.heads.truncation import CUTS, cut
from tests.heads.problems import frozen_problem


def mean_loss(frozen, factors):
    return float(token_losses(frozen.hidden_states, frozen.next_tokens.flatten(), factors, frozen.bias).nats.mean())


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", CUTS)
def test_no_gap_passes_its_bound(name, bias):
    frozen = frozen_problem(bias=bias)
    for head in (frozen.head, refit(frozen, 30)):
        moments = compute_moments(frozen, head)
        truncation = cut(name, head, moments.second_moment)
        for rank in range(1, 9):
            factors = truncation.factors(head, rank)
            gap, of_cut = mean_loss(frozen, factors) - mean_loss(frozen, (head.T,)), bounds(moments, [factors])[0]
            assert gap <= of_cut.sharp + 1e-5
            assert gap <= of_cut.paper + 1e-5
            assert of_cut.second_order <= of_cut.quadratic + 1e-6


def test_the_bounds_are_their_formulas():
    frozen = frozen_problem()
    moments, moved_head = compute_moments(frozen, frozen.head), frozen.head + 0.3 * torch.randn(frozen.head.shape)
    of_cut = bounds(moments, [(moved_head.T,)])[0]
    states, difference = frozen.hidden_states.double(), (moved_head - frozen.head).double()
    probability = torch.softmax(states @ frozen.head.double().T, 1)
    moved = states @ difference.T
    of_next = moved.gather(1, frozen.next_tokens.reshape(-1, 1))[:, 0]
    mean = (probability * moved).sum(1)
    assert of_cut.first_order == pytest.approx((mean - of_next).mean().item(), rel=1e-4)
    variance = (probability * (moved - mean[:, None]) ** 2).sum(1)
    assert of_cut.second_order == pytest.approx(variance.mean().item() / 2, rel=1e-5)
    seen = moved - moved.mean(1, keepdim=True)
    assert of_cut.quadratic == pytest.approx(seen.square().sum(1).mean().item() / 4, rel=1e-5)
    norms = 2**0.5 * states.norm(dim=1).mean() * difference.norm()
    assert of_cut.paper == pytest.approx(norms.item(), rel=1e-5)


def test_softmax_sees_no_common_offset():
    frozen = frozen_problem()
    moments = compute_moments(frozen, frozen.head)
    of_cut = bounds(moments, [((frozen.head + torch.linspace(-3, 3, 8)).T,)])[0]
    assert (of_cut.first_order, of_cut.second_order, of_cut.quadratic) == pytest.approx((0, 0, 0), abs=1e-6)
    assert of_cut.paper > 1


def test_a_small_move_costs_its_expansion():
    frozen = frozen_problem(tokens=2000)
    moments, move = compute_moments(frozen, frozen.head), torch.randn(frozen.head.shape) * 0.03
    of_cut = bounds(moments, [((frozen.head + move).T,)])[0]
    gap = mean_loss(frozen, ((frozen.head + move).T,)) - mean_loss(frozen, (frozen.head.T,))
    assert gap == pytest.approx(of_cut.first_order + of_cut.second_order, abs=0.05 * of_cut.second_order)


def test_refitting_removes_the_first_order_term():
    frozen = frozen_problem()
    head = refit(frozen, 200)
    before, after = compute_moments(frozen, frozen.head), compute_moments(frozen, head)
    assert after.gradient.norm() < 1e-3 * before.gradient.norm()
    assert mean_loss(frozen, (head.T,)) < mean_loss(frozen, (frozen.head.T,))
    again = refit(frozen, 200)
    assert torch.equal(head, again)
