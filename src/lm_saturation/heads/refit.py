"""The LM head that is the optimum of a finite sample: where Lemma 5.1's first-order term vanishes."""

import torch
from torch import Tensor

from lm_saturation.heads.factored_head import loss_and_gradients
from lm_saturation.heads.states import HeadStates
from lm_saturation.io.logs import ProgressBar, log


def refit(frozen: HeadStates, iterations: int) -> Tensor:
    """The pretrained head (V, d), trained on the sample towards its optimum by L-BFGS.

    The logits of tokens that never occur would fall for ever, so the optimum is approached, never reached; the gradient
    that is left is part of every bound.
    """
    head = frozen.head.T.contiguous().requires_grad_()  # (d, V), as factors are
    targets = frozen.next_tokens.flatten()
    bar = ProgressBar(desc="refitting the head", unit="evaluation")
    optimizer = torch.optim.LBFGS([head], max_iter=iterations, tolerance_grad=0, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        loss, gradients = loss_and_gradients(frozen.hidden_states, targets, (head.detach(),), frozen.bias)
        head.grad = gradients[0]
        bar.update()
        return loss

    before = float(closure())
    optimizer.step(closure)
    after = float(closure())
    bar.close()
    assert head.grad is not None
    log.info("refitted: loss %.4f to %.4f, gradient %.1e", before, after, float(head.grad.norm()))
    return head.detach().T.contiguous()
