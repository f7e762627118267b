"""Losses and gradients of heads, against autograd, torch's cross-entropy and chunks of any size."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from lm_saturation.heads.factored_head import head_logits, loss_and_gradients, token_losses
from lm_saturation.training.head_loss import chunk_tokens, residuals, token_chunks
from tests.heads.problems import problem


def factors_of(head, rank):
    """W itself where rank is None, else random factors of that rank."""
    generator = torch.Generator().manual_seed(rank or 0)
    rows, width = head.shape
    if rank is None:
        return (head.T.clone(),)
    return tuple(torch.randn(shape, generator=generator, dtype=head.dtype) for shape in ((rank, rows), (rank, width)))


@pytest.mark.parametrize("rank", [None, 1, 3, 8, 11])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_gradients_are_autograds(rank, biased, chunk, monkeypatch):
    states, next_tokens, head = problem(tokens=23)
    monkeypatch.setitem(residuals.__globals__, "chunk_tokens", lambda *_: chunk)
    bias = torch.linspace(-1, 1, len(head), dtype=head.dtype) if biased else None
    factors = factors_of(head, rank)
    loss, gradients = loss_and_gradients(states, next_tokens, factors, bias)
    leaves = [factor.clone().requires_grad_() for factor in factors]
    logits = states @ (leaves[0].T if rank is None else leaves[0].T @ leaves[1]).T + (0 if bias is None else bias)
    truth = cross_entropy(logits, next_tokens)
    truth.backward()
    assert loss.item() == pytest.approx(truth.item(), rel=1e-12)
    for gradient, leaf in zip(gradients, leaves, strict=True):
        torch.testing.assert_close(gradient, leaf.grad, rtol=1e-10, atol=1e-12)
    losses = token_losses(states, next_tokens, factors, bias)
    torch.testing.assert_close(losses.nats, cross_entropy(logits, next_tokens, reduction="none").detach())
    assert torch.equal(losses.hits, logits.argmax(1) == next_tokens)
    torch.testing.assert_close(head_logits(states, factors, bias), logits.detach())


def test_in_bfloat16_products_are_rounded_and_sums_are_not():
    states, next_tokens, head = problem(tokens=3000)
    factors = tuple(factor.float() for factor in factors_of(head, 4))
    exact = loss_and_gradients(states.float(), next_tokens, factors)
    rounded = loss_and_gradients(states.bfloat16(), next_tokens, factors)
    assert rounded[0].item() == pytest.approx(exact[0].item(), rel=0.02)
    for gradient, reference in zip(rounded[1], exact[1], strict=True):
        assert gradient.dtype == torch.float32
        assert (gradient - reference).norm() < 0.03 * reference.norm()


def test_a_huge_loss_is_exact():
    logits = torch.tensor([[500.0, -300.0, 499.0], [1.0, 2.0, 3.0]])
    next_tokens = torch.tensor([1, 2])
    _, losses = residuals(logits.clone(), next_tokens)
    torch.testing.assert_close(losses, cross_entropy(logits, next_tokens, reduction="none"))
    assert losses[0] > 800
    assert residuals(torch.tensor([[float("nan"), 0.0]]), torch.tensor([0]))[1].isnan().all()


def test_far_logits_of_a_large_vocabulary():
    """Heads drawn from N(0, 1) have logits hundreds apart, where exp underflows: see also benchmarks.heads."""
    states, next_tokens, head = problem(tokens=40)
    far = tuple(40 * factor.float() for factor in factors_of(head, 5))
    found = token_losses(states.float(), next_tokens, far)
    exact = token_losses(states, next_tokens, tuple(factor.double() for factor in far))
    assert exact.nats.max() > 200
    torch.testing.assert_close(found.nats.double(), exact.nats, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("vocabulary_size", "width", "tokens"),
    [
        (512, 64, 512),
        (2048, 16, 128),
        (2048, 2048, 128),
        (8192, 16, 32),
        (8192, 512, 128),
        (49152, 16, 32),
        (49152, 64, 64),
        (49152, 576, 128),
        (256_000, 4096, 128),
    ],
)
def test_chunks_are_worth_reading_the_head_and_are_bounded(vocabulary_size, width, tokens):
    assert chunk_tokens(vocabulary_size, width, torch.device("cpu")) == tokens
    assert 4 * tokens * vocabulary_size <= max(1 << 20, 4 * 128 * vocabulary_size)
    parts = list(token_chunks(1000, torch.Size([vocabulary_size, width]), torch.device("cpu")))
    assert [at for part in parts for at in range(part.start, part.stop)] == list(range(1000))
    assert max(part.stop - part.start for part in parts) == tokens
