"""Cross-entropy of LM heads, by chunks of tokens: the T×V logits never exist at once, nor are they computed twice.

The gradient is computed in the forward pass, while a chunk's logits are in the cache: it is the probabilities minus 1
at the next token, times the head. As in Cut Your Losses (Wijmans et al. 2024, arXiv 2411.09009) and Liger-Kernel
(Hsu et al. 2024, arXiv 2410.10989, section 3.2), in plain torch.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

CHUNK_BYTES = {"cpu": 1 << 20, "cuda": 1 << 28}  # of logits at a time: they fit a core's cache; they fill a GPU
FEWEST, MOST = 32, 128  # tokens in a chunk on a CPU whose logits do not fit
NARROW = 128  # width of a head up to which products are faster along rows of V numbers than of so few; at 8 six times


def head_loss(hidden_states: Tensor, head: Tensor, next_tokens: Tensor) -> Tensor:
    """The mean cross-entropy in nats, a scalar float32, differentiable in the states and the head.

    `hidden_states` (T, d), `head` (V, d), `next_tokens` (T,).
    """
    return _HeadLoss.apply(hidden_states, head, next_tokens)


def token_chunks(tokens: int, head_shape: torch.Size, device: torch.device) -> Iterator[slice]:
    """Slices of `tokens` tokens, as many at a time as `chunk_tokens` says for a head (V, width)."""
    vocabulary_size, width = head_shape
    size = chunk_tokens(vocabulary_size, width, device)
    return (slice(begin, min(begin + size, tokens)) for begin in range(0, tokens, size))


def chunk_tokens(vocabulary_size: int, width: int, device: torch.device) -> int:
    """How many tokens to take at a time through a matrix of `vocabulary_size` times `width`.

    As many as have logits that fit CHUNK_BYTES in float32. A large vocabulary leaves a CPU few, and for each chunk the
    matrix is read and its gradient updated: 16·V·width bytes for 6·V·width operations a token. So a CPU takes MOST
    tokens at least, which makes that 48 operations a byte, more than memory needs; through a narrow matrix fewer, whose
    logits are as large as itself, so that a cache holds both; but FEWEST, below which matrix products are slow.
    At most max(1 MiB, MOST·V·4 bytes) of logits and as much of probabilities exist on a CPU: twice 25 MB at V = 49,152.
    """
    fitting = max(1, CHUNK_BYTES[device.type] // (4 * vocabulary_size))
    if device.type != "cpu":
        return fitting
    return max(fitting, min(MOST, max(FEWEST, width)))


def residuals(logits: Tensor, next_tokens: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient of the losses in the logits (n, V), softmax minus 1 at the next token, and the losses (n,) in nats.

    Float64 for logits in float64, else float32.
    """
    logits, columns = logits if logits.dtype == torch.float64 else logits.float(), next_tokens[:, None]
    probability = torch.softmax(logits, -1)
    likelihood = probability.gather(1, columns)
    if float(likelihood.min()) < torch.finfo(logits.dtype).tiny:  # the loss from the logits themselves
        largest = probability.amax(1, keepdim=True).log()
        losses = logits.amax(1, keepdim=True) - largest - logits.gather(1, columns)
    else:
        losses = -likelihood.log()
    probability.scatter_add_(1, columns, probability.new_full((1, 1), -1.0).expand_as(columns))
    return probability, losses[:, 0]


def add_product(total: Tensor, left: Tensor, right: Tensor, begun: bool = True) -> None:
    """Add leftᵀ·right to `total`, which may have a wider dtype; write it there if the sum has not `begun`.

    Clearing a gradient of the head's size first would read and write all of it once more.
    """
    same_type = left.dtype == total.dtype
    if not begun and same_type:
        torch.mm(left.T, right, out=total)
    elif not begun:
        total.copy_(left.T @ right)
    elif same_type:
        total.addmm_(left.T, right)
    else:
        total += left.T @ right


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, hidden_states: Tensor, head: Tensor, next_tokens: Tensor) -> Tensor:
        tokens, width = hidden_states.shape
        columns = head.T.contiguous() if width <= NARROW else head.T
        to_states = torch.empty_like(hidden_states)
        to_columns = torch.empty_like(columns, dtype=torch.float32)
        total = torch.zeros((), device=head.device)
        for part in token_chunks(tokens, head.shape, head.device):
            residual, losses = residuals(hidden_states[part] @ columns, next_tokens[part])
            total += losses.sum()
            to_logits = residual.to(head.dtype)
            torch.mm(to_logits, columns.T, out=to_states[part])
            add_product(to_columns, hidden_states[part] / tokens, to_logits, begun=part.start > 0)
        context.save_for_backward(to_states.div_(tokens), to_columns.T.to(head.dtype))
        return total / tokens

    @staticmethod
    def backward(context: Any, upstream: Tensor) -> tuple[Tensor, Tensor, None]:
        to_states, to_head = context.saved_tensors
        return upstream * to_states, upstream * to_head, None
