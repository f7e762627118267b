"""LayerNorm and RMSNorm at the start, and what underflows in half precision: by autograd, closed forms and casts."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch.nn.functional import cross_entropy, layer_norm, rms_norm

from lm_saturation.config.tied import InitialOptions
from lm_saturation.tied import start_checks as checks
from lm_saturation.tied.bigram import first_embeddings
from lm_saturation.tied.half_precision import head_gradient, underflow
from lm_saturation.tied.start_checks import next_tokens, start_checks

SIZE, WIDTH, SIGMA = 300, 16, 0.1
OPTIONS = InitialOptions(vocabulary_sizes=[SIZE], widths=[WIDTH], sigmas=[SIGMA, 0.5], rows=10, seed=4)


@pytest.fixture(scope="module")
def found():
    return start_checks(OPTIONS)


@pytest.fixture(scope="module")
def embedding():
    return SIGMA * first_embeddings(SIZE, WIDTH, 4, SIZE).double()


@pytest.mark.parametrize("norm", ["rms_norm", "layer_norm"])
def test_losses_are_those_of_torchs_norms(found, embedding, norm):
    """Averaged over every next token but the input."""
    made = {"rms_norm": rms_norm, "layer_norm": layer_norm}[norm](embedding[: checks.INPUTS], (WIDTH,), eps=0.0)
    logits = made @ embedding.T
    losses = [
        float(torch.logsumexp(row, 0) - (row.sum() - row[token]) / (SIZE - 1)) for token, row in enumerate(logits)
    ]
    row = found.norms[0]
    assert row["rows"] == checks.INPUTS
    assert row[f"{norm}_nats"] == pytest.approx(np.mean(losses), rel=1e-5)


def test_the_difference_is_paired(found):
    for row in found.norms:
        assert row["difference_nats"] == pytest.approx(row["layer_norm_nats"] - row["rms_norm_nats"], abs=1e-9)
    assert [row["remedy"] for row in found.norms] == ["plain", "plain", "scaled"]
    assert found.norms[2]["sigma"] == pytest.approx(math.log(SIZE) / WIDTH)


def test_norms_grow_alike_with_the_width():
    """LayerNorm takes one of d directions away: of the self-logit, which is the loss at a large σ, 1/(2d)."""
    for width in (64, 256):
        options = InitialOptions(vocabulary_sizes=[2000], widths=[width], sigmas=[0.5], rows=10, seed=0)
        row = start_checks(options).norms[0]
        assert row["difference_nats"] / row["rms_norm_nats"] == pytest.approx(-1 / (2 * width), rel=0.6)


def test_the_gradient_is_autograds(embedding):
    head = embedding.clone().requires_grad_()
    states = rms_norm(embedding[:8], (WIDTH,), eps=0.0)
    targets = next_tokens(8, SIZE, 0)
    logits = states @ head.T
    cross_entropy(logits, targets).backward()
    ours = head_gradient(torch.softmax(logits.detach(), 1)[:, :50].float(), targets, states.float())
    torch.testing.assert_close(ours, head.grad[:50].float(), rtol=1e-5, atol=1e-9)


def test_the_next_token_is_another_one():
    targets = next_tokens(1000, 3, 0).numpy()
    assert (targets != np.arange(1000) % 3).all()
    assert set(targets) == {0, 1, 2}


def test_formats_keep_what_they_can_hold():
    """The smallest normal number of float16 is 2^-14, its smallest number 2^-24; half of that rounds to 0."""
    values = torch.tensor([[1.0, 0.0, 2.0**-14, 2.0**-15], [2.0**-24, 2.0**-26, -(2.0**-30), -1.0]])
    small = underflow(values, torch.float16)
    assert (small.share, small.zero_share) == (4 / 8, 2 / 8)
    assert small.error == pytest.approx(np.std([1 / 4, 3 / 4], ddof=1) / math.sqrt(2))
    assert underflow(values, torch.bfloat16).share == 0


@pytest.mark.parametrize("sigma", [0.002, 0.02])
def test_the_embedding_underflows_as_a_gaussian_does(sigma):
    options = InitialOptions(vocabulary_sizes=[1000], widths=[256], sigmas=[sigma], rows=10, seed=0)
    table = pd.DataFrame(start_checks(options).underflow)
    row = table[(table.quantity == "embedding") & (table.precision == "float16")].iloc[0]
    expected = 2 * stats.norm.cdf(2.0**-14 / sigma) - 1
    assert abs(row.underflow_share - expected) < 4 * row.underflow_error
