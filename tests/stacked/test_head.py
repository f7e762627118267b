"""Losses and gradients of stacked heads against torch's own in float64."""

import numpy as np
import pytest
import torch

from lm_saturation.stacked.head import stacked_loss, token_losses

MODELS, TOKENS, WIDTH, VOCABULARY = 3, 50, 6, 71


def problem(scale):
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(MODELS, TOKENS, WIDTH, generator=generator)
    heads = scale * torch.randn(MODELS, VOCABULARY, WIDTH, generator=generator)
    return states, heads, torch.randint(VOCABULARY, (MODELS, TOKENS), generator=generator)


def exact(states, heads, targets):
    """Losses (M, T) and the gradients of the sum of each model's mean, in float64."""
    states, heads = (values.double().requires_grad_() for values in (states, heads))
    logits = torch.bmm(states, heads.mT)
    losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    losses = losses.view(MODELS, TOKENS)
    losses.mean(1).sum().backward()
    return losses.detach(), states.grad, heads.grad


@pytest.mark.parametrize("scale", [0.01, 1.0, 40.0])
def test_in_float32(scale):
    """Also where most probabilities are below what float32 holds."""
    states, heads, targets = problem(scale)
    losses, to_states, to_heads = exact(states, heads, targets)
    states.requires_grad_()
    heads.requires_grad_()
    found = stacked_loss(states, heads, targets, [False] * MODELS)
    found.sum().backward()
    tolerance = {"rtol": 1e-5, "atol": 1e-6 * max(1.0, scale)}
    torch.testing.assert_close(found.double(), losses.mean(1), **tolerance)
    torch.testing.assert_close(states.grad.double(), to_states, **tolerance)
    torch.testing.assert_close(heads.grad.double(), to_heads, **tolerance)
    per_token = token_losses(states, heads, targets, [False] * MODELS)
    torch.testing.assert_close(per_token.double(), losses, rtol=1e-5, atol=1e-5 * max(1.0, scale))


def test_some_in_bfloat16():
    """Rounded where it is asked for and nowhere else: by torch's own rounding of the same products."""
    states, heads, targets = problem(3.0)
    found = token_losses(states, heads, targets, [False, True, False])
    plain = token_losses(states, heads, targets, [False] * MODELS)
    assert torch.equal(found[[0, 2]], plain[[0, 2]])
    logits = (states[1].bfloat16().double() @ heads[1].bfloat16().double().T).bfloat16().float()
    expected = torch.nn.functional.cross_entropy(logits, targets[1], reduction="none")
    close = torch.isclose(found[1], expected, rtol=1e-5, atol=1e-5)
    assert close.float().mean() > 0.9  # but for sums that fall on the other side of a tie
    np.testing.assert_allclose(found[1], expected, atol=0.2)


def test_what_is_not_finite_stays_so():
    states, heads, targets = problem(1.0)
    heads[1, 0] = float("nan")
    assert torch.isfinite(stacked_loss(states, heads, targets, [False] * MODELS)).tolist() == [True, False, True]
