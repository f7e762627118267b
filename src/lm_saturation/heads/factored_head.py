"""LM heads of rank r: W = AB with A (V, r) and B (r, d), or W (V, d) itself; their losses and gradients.

A head is the tuple of its factors, (Aᵀ, B) or (Wᵀ,): the vocabulary is the last axis, along which the gradient of a
narrow factor is several times as fast. Its logits are W x + b, where b (V,) is the model's own bias, if any.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lm_saturation.training.head_loss import add_product, residuals, token_chunks

Factors = tuple[Tensor, ...]


@dataclass(frozen=True)
class Losses:
    """How well a head predicts tokens: nats and hits (0 or 1) of each, both of the same shape."""

    nats: Tensor
    hits: Tensor


def weight_matrix(factors: Factors) -> Tensor:
    """W (V, d)."""
    return factors[0].T @ factors[1] if len(factors) > 1 else factors[0].T


def head_logits(states: Tensor, factors: Factors, bias: Tensor | None = None) -> Tensor:
    """The logits (n, V) of hidden states (n, d)."""
    return _logits(_inner(states, factors), factors[0], bias)


def _inner(states: Tensor, factors: Factors) -> Tensor:
    """(n, r) B x, or (n, d) x itself: the input of the vocabulary's factor."""
    return states @ factors[1].T if len(factors) > 1 else states


def _logits(inner: Tensor, first: Tensor, bias: Tensor | None) -> Tensor:
    return inner @ first if bias is None else torch.addmm(bias.to(inner.dtype), inner, first)


def loss_and_gradients(
    states: Tensor, next_tokens: Tensor, factors: Factors, bias: Tensor | None = None
) -> tuple[Tensor, Factors]:
    """The mean loss in nats, and its gradient by each factor in that factor's type.

    Matrix products are in the type of the `states` (n, d). No more than a chunk of the logits exists at a time.
    """
    first, *others = (factor.to(states.dtype) for factor in factors)
    gradients = tuple(torch.empty_like(factor, memory_format=torch.contiguous_format) for factor in factors)
    total = torch.zeros((), dtype=gradients[0].dtype, device=states.device)
    for part in token_chunks(len(states), first.T.shape, states.device):
        inner = _inner(states[part], (first, *others))
        residual, losses = residuals(_logits(inner, first, bias), next_tokens[part])
        total += losses.sum()
        to_logits = residual.to(states.dtype)
        begun = part.start > 0
        add_product(gradients[0], inner / len(states), to_logits, begun)
        if others:
            add_product(gradients[1], (first @ to_logits.T).T, states[part] / len(states), begun)
    return total / len(states), gradients


def token_losses(states: Tensor, next_tokens: Tensor, factors: Factors, bias: Tensor | None = None) -> Losses:
    """Loss and hit of each token (n,), in the type of the `states` (n, d)."""
    factors = tuple(factor.to(states.dtype) for factor in factors)
    nats, hits = [], []
    for part in token_chunks(len(states), factors[0].T.shape, states.device):
        logits, targets = head_logits(states[part], factors, bias), next_tokens[part]
        logits = logits if logits.dtype == torch.float64 else logits.float()
        nats.append(cross_entropy(logits, targets, reduction="none"))  # logsumexp is 15 times as slow if exp underflows
        hits.append(logits.argmax(1) == targets)
    return Losses(torch.cat(nats), torch.cat(hits))
