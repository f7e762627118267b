"""The head that is the optimum of a finite sample: where Lemma 5.1's first-order term vanishes."""

import torch
from torch import Tensor

from scripts.common.jobs import log
from scripts.heads.frozen import HeadStates
from scripts.heads.head import loss_and_gradients


def refit(frozen: HeadStates, iterations: int) -> Tensor:
    """The pretrained head (V, d), taken on towards the optimum of the sample by L-BFGS.

    Tokens that never occur would be pushed away for ever, so the optimum is approached, never reached; the gradient
    that is left is part of every bound.
    """
    head = frozen.head.T.contiguous().requires_grad_()  # (d, V), as factors are
    targets = frozen.next_tokens.flatten()
    optimizer = torch.optim.LBFGS([head], max_iter=iterations, tolerance_grad=0, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        loss, gradients = loss_and_gradients(frozen.hidden_states, targets, (head.detach(),), frozen.bias)
        head.grad = gradients[0]
        return loss

    start = float(closure())
    optimizer.step(closure)
    end = float(closure())
    assert head.grad is not None
    log.info("refitted: loss %.4f to %.4f, gradient %.1e", start, end, float(head.grad.norm()))
    return head.detach().T.contiguous()
