"""Losses of logits, and what rounding them costs."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy as reference

from lm_saturation.metrics import logit_precision as module
from lm_saturation.metrics.cross_entropy import bits_per_byte, summarise, token_losses
from lm_saturation.metrics.logit_precision import COLUMNS, logit_precision

ROUNDED = COLUMNS[:6]


def gaussian_logits(tokens, rows, spread, offset=0.0, seed=0):
    """Logits of that spread and targets drawn from their softmax."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(tokens, rows, generator=generator) * spread
    targets = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    return logits + offset, targets


def columns(logits, targets, vocabulary_size=None):
    return module.summarise(logit_precision(logits, targets, vocabulary_size or logits.shape[1]))


def test_token_losses_are_pytorchs():
    logits, targets = gaussian_logits(50, 300, 2.0)
    exact = reference(logits.double(), targets, reduction="none")
    for shift in (logits.amax(1), logits.logsumexp(1)):
        np.testing.assert_allclose(token_losses(logits, targets, shift), exact, atol=2e-6)


def test_standard_error_is_over_sequences():
    losses = np.random.default_rng(0).random((7, 11))
    found = summarise(losses)
    means = losses.mean(1)
    assert found.mean == pytest.approx(losses.mean())
    assert found.error == pytest.approx(means.std(ddof=1) / np.sqrt(7))
    assert summarise(losses[:1]).error is None


def test_bits_per_byte():
    assert bits_per_byte(8 * math.log(2), 4) == pytest.approx(2)


def test_each_rounded_loss_is_the_loss_of_rounded_logits(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 1000)  # several blocks
    logits, targets = gaussian_logits(40, 300, 2.0, offset=37.0)
    found = columns(logits, targets)
    centred = logits - logits.mean(1, keepdim=True)
    for half in ("float32", "bfloat16", "float16"):
        for name, given_logits in ((f"loss_{half}", logits), (f"loss_{half}_centred", centred)):
            exact = reference(given_logits.to(getattr(torch, half)).double(), targets)
            assert found[name] == pytest.approx(float(exact), abs=2e-6), name
    assert found["logit_offset"] == pytest.approx(float(logits.mean()), rel=1e-6)
    assert found["logit_offset_size"] == pytest.approx(float(logits.mean(1).square().mean().sqrt()), rel=1e-6)
    assert found["logit_spread"] == pytest.approx(float(centred.square().mean().sqrt()), rel=1e-5)


@pytest.mark.parametrize(
    ("offset", "float16", "bfloat16"), [(300, 0.000, 0.20), (700, 0.008, 0.65), (1500, 0.038, 1.9), (3000, 0.19, 1.9)]
)
def test_what_a_common_offset_costs(offset, float16, bfloat16):
    """Gaussian logits of standard deviation 2.2, V = 50304: measured, once, before this project began."""
    logits, targets = gaussian_logits(30, 50304, 2.2, offset)
    found = dict(zip(COLUMNS, logit_precision(logits, targets, 50304), strict=True))
    for half, cost in (("float16", float16), ("bfloat16", bfloat16)):
        raw, centred = (expected_cost(logits, targets, found, half, name) for name in ("", "_centred"))
        assert raw == pytest.approx(cost, abs=0.2 * cost + 0.004)
        assert abs(centred) < 1e-3
    assert float(found["offset"].mean()) == pytest.approx(offset, abs=0.1)
    assert float(found["spread"].mean().sqrt()) == pytest.approx(2.2, rel=0.01)


def expected_cost(logits, targets, found, half, name):
    """The mean cost of rounding over all targets, each as often as softmax has it: of few targets it would be noise."""
    share = logits.double().softmax(1)
    stored = (logits - found["offset"][:, None]) if name else logits
    stored = stored.to(getattr(torch, half)).double()
    total = found[f"loss_{half}{name}"] + stored.gather(1, targets[:, None])[:, 0]  # log Σ exp of the rounded logits
    exact = logits.double().logsumexp(1) - (share * logits).sum(1)
    return float((total - (share * stored).sum(1) - exact).mean())


@given(st.floats(-1000, 1000), st.integers(0, 1000))
def test_the_loss_in_float32_does_not_see_the_offset(offset, seed):
    logits, targets = gaussian_logits(8, 50, 1.0, seed=seed)
    before, after = columns(logits, targets), columns(logits + offset, targets)
    assert after["loss_float32"] == pytest.approx(before["loss_float32"], abs=1e-3)
    assert after["loss_float16_centred"] == pytest.approx(before["loss_float16_centred"], abs=2e-2)


@pytest.mark.parametrize("value", [70000.0, -70000.0])
def test_a_loss_whose_logits_overflow_is_empty(value):
    logits, targets = gaussian_logits(6, 20, 1.0)
    logits[3] += value
    found = columns(logits, targets)
    assert found["loss_float16"] is None
    assert all(found[name] is not None for name in ROUNDED if name != "loss_float16")
    logits, targets = gaussian_logits(6, 20, 1.0)
    logits[3, 4] = value
    assert columns(logits, targets)["loss_float16_centred"] is None


def test_padding_logits_count_in_softmax_but_not_in_the_offset():
    logits, targets = gaussian_logits(10, 40, 1.0)
    targets %= 30
    logits[:, 30:] = 5.0
    found = columns(logits, targets, 30)
    assert found["logit_offset"] == pytest.approx(float(logits[:, :30].mean()))
    assert found["loss_float32"] == pytest.approx(float(reference(logits, targets)), abs=1e-6)
