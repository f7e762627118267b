"""Cross-entropy of the LM head, by chunks of tokens: the T×V logits never exist at once, nor are they computed twice.

The gradient is found in the forward pass, while a chunk's logits are in the cache: it is the probabilities less 1 at
the next token, times the head. As in Cut Your Losses (Wijmans et al. 2024, arXiv 2411.09009) and Liger-Kernel
(Hsu et al. 2024, arXiv 2410.10989, section 3.2), in plain torch.
"""

from typing import Any

import torch
from torch import Tensor

CHUNK_BYTES = {"cpu": 1 << 20, "cuda": 1 << 28}  # logits at a time: what a core's cache holds; enough to fill a GPU


def head_loss(hidden_states: Tensor, head: Tensor, next_tokens: Tensor) -> Tensor:
    """The mean cross-entropy in nats, a scalar float32, differentiable in the states and the head.

    `hidden_states` (T, d), `head` (V, d), `next_tokens` (T,). The loss of a token counts as 87 nats at most
    (its probability is then float32's least); gradients are exact.
    """
    return _HeadLoss.apply(hidden_states, head, next_tokens)


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, hidden_states: Tensor, head: Tensor, next_tokens: Tensor) -> Tensor:
        tokens, least = len(hidden_states), torch.finfo(torch.float32).tiny
        chunk = max(1, CHUNK_BYTES[head.device.type] // (4 * len(head)))
        to_states = torch.empty_like(hidden_states)
        to_head = torch.zeros_like(head, dtype=torch.float32)
        total = torch.zeros((), device=head.device)
        for begin in range(0, tokens, chunk):
            states, targets = hidden_states[begin : begin + chunk], next_tokens[begin : begin + chunk, None]
            probability = torch.softmax((states @ head.T).float(), -1)
            total -= probability.gather(1, targets).clamp_min(least).log().sum()
            probability.scatter_add_(1, targets, probability.new_full((1, 1), -1.0).expand_as(targets))
            to_logits = probability.to(head.dtype)
            torch.mm(to_logits, head, out=to_states[begin : begin + chunk])
            _add_product(to_head, to_logits, states)
        context.save_for_backward(to_states.div_(tokens), to_head.div_(tokens).to(head.dtype))
        return total / tokens

    @staticmethod
    def backward(context: Any, upstream: Tensor) -> tuple[Tensor, Tensor, None]:
        to_states, to_head = context.saved_tensors
        return upstream * to_states, upstream * to_head, None


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Add leftᵀ·right to `total`, which is float32 whatever they are."""
    if left.dtype == total.dtype:
        total.addmm_(left.T, right)
    else:
        total += left.T @ right
