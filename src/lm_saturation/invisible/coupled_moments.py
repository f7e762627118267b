"""One second moment for all rows of a matrix: coupled Adam (Stollenwerk and Stollenwerk 2025, arXiv 2502.08441).

Adam divides the first moment of each entry by the root of its second moment. Tokens have second moments that differ by
orders of magnitude, so the updates of an LM head have a mean row although its gradient has none. Coupled Adam averages
the second moment of each column over the vocabulary: what has no mean row keeps none. The paper ties input and output
embeddings; models here do not, and their heads are coupled: only the gradient of a head has no mean row.
"""

from typing import Any

import torch
from torch import Tensor


def couple_rows(optimizer: torch.optim.AdamW, matrix: Tensor) -> None:
    """Make `optimizer` update a `matrix` (V, d) of its own with second moments averaged over the rows.

    Both moments are kept row by row, and averaged after the bias correction, as in the paper; before it is the same.
    """
    before = torch.empty_like(matrix)

    def keep(*_: Any) -> None:
        before.copy_(matrix.detach())

    def redo(*_: Any) -> None:
        if matrix.grad is not None:
            matrix.data.copy_(_coupled_step(optimizer, matrix, before))

    optimizer.register_step_pre_hook(keep)
    optimizer.register_step_post_hook(redo)


def _coupled_step(optimizer: torch.optim.AdamW, matrix: Tensor, before: Tensor) -> Tensor:
    """(V, d): the update of `before` with the moments that the optimizer now holds."""
    (group,) = (group for group in optimizer.param_groups if any(own is matrix for own in group["params"]))
    state, rate = optimizer.state[matrix], group["lr"]
    first, second = (1 - beta ** float(state["step"]) for beta in group["betas"])
    scale = (state["exp_avg_sq"].mean(0) / second).sqrt() + group["eps"]
    return before * (1 - rate * group["weight_decay"]) - rate * (state["exp_avg"] / first) / scale
