"""Cross-entropy of stacked LM heads, on the CPU.

As in lm_saturation.training.head_loss, the gradient is computed in the forward pass. Logits of some models may be
rounded to bfloat16: states and head before their product, which is summed in float32, the logits after it, and the
gradient in the logits. So are trainings with `bfloat16_logits` of lm_saturation.invisible.training.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lm_saturation.stacked.kernels import add_gradients


def stacked_loss(states: Tensor, heads: Tensor, next_tokens: Tensor, rounded: Sequence[bool]) -> Tensor:
    """(M,) the mean cross-entropy of each model in nats, float32, differentiable in states and heads.

    `states` (M, T, d), `heads` (M, V, d), `next_tokens` (M, T); `rounded` says whose logits are bfloat16.
    """
    return _StackedLoss.apply(states, heads, next_tokens, tuple(rounded))


@torch.no_grad()
def token_losses(states: Tensor, heads: Tensor, next_tokens: Tensor, rounded: Sequence[bool]) -> Tensor:
    """(M, T) the cross-entropy of each token in nats, float32; as `stacked_loss`."""
    return _losses(states, heads, next_tokens, rounded, with_gradient=False)[0]


def _losses(
    states: Tensor, heads: Tensor, next_tokens: Tensor, rounded: Sequence[bool], with_gradient: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The losses (M, T), and the gradients (M, T, d) and (M, d, V) of their sum."""
    some = any(rounded)
    read, by_column = (_rounded(values, rounded) if some else values for values in (states, heads))
    by_column = by_column.mT.contiguous()
    losses = torch.empty(next_tokens.shape)
    to_states = torch.empty(states.shape if with_gradient else (len(states), 0, 0))
    to_heads = torch.zeros(by_column.shape if with_gradient else (len(states), 0, 0))
    add_gradients(
        read.contiguous().numpy(),
        by_column.numpy(),
        next_tokens.contiguous().numpy(),
        np.array(rounded),
        with_gradient,
        losses.numpy(),
        to_states.numpy(),
        to_heads.numpy(),
    )
    return losses, to_states, to_heads


def _rounded(values: Tensor, rounded: Sequence[bool]) -> Tensor:
    """Values (M, ...), those of some models rounded to bfloat16."""
    which = torch.tensor(rounded)[:, None, None]
    return torch.where(which, values.bfloat16().float(), values)


class _StackedLoss(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, states: Tensor, heads: Tensor, next_tokens: Tensor, rounded: tuple[bool, ...]) -> Tensor:
        losses, to_states, to_heads = _losses(states, heads, next_tokens, rounded, with_gradient=True)
        context.save_for_backward(to_states, to_heads)
        return losses.mean(1)

    @staticmethod
    def backward(context: Any, upstream: Tensor) -> tuple[Tensor, Tensor, None, None]:
        to_states, to_heads = context.saved_tensors
        share = upstream[:, None, None] / to_states.shape[1]
        return share * to_states, (share * to_heads).mT, None, None
