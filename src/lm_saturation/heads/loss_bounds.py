"""The most that an LM head of rank r loses: the theory of the bottleneck (arXiv 2404.07647, section 5.1).

With L the mean cross-entropy of a head W over hidden states x, D = W_r − W, and p the softmax of W x:

    L(W_r) − L(W) = ⟨∇L(W), D⟩ + ½ mean Var_p(D x) + O(D³)
                  ≤ ⟨∇L(W), D⟩ + ¼ mean ‖P D x‖²              P = 1 − 11ᵀ/V: softmax sees no common offset
    L(W_r) − L(W) ≤ √2 mean ‖D x‖ ≤ √2 mean ‖x‖ ‖D‖_F          Theorem 5.3, with its constant

The Hessian of log-sum-exp is diag p − ppᵀ, whose eigenvalues are at most ½ whatever p is; hence ¼. ∇L(W) is 0 at the
optimum of a sample, but a pretrained head is not that of a held-out one: its first-order term stays in the bound.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lm_saturation.heads.factored_head import Factors, head_logits, loss_and_gradients, weight_matrix
from lm_saturation.heads.states import HeadStates
from lm_saturation.io.logs import progress
from lm_saturation.metrics.head_spectrum import centre, gram
from lm_saturation.training.head_loss import token_chunks


@dataclass(frozen=True)
class Bounds:
    """Of the loss gap L(W_r) − L(W), nats/token."""

    first_order: float  # ⟨∇L(W), D⟩
    second_order: float  # ½ mean Var_p(D x): no bound, but the limit of the gap as D becomes small
    quadratic: float  # ¼ mean ‖P D x‖²
    paper: float  # √2 mean ‖x‖ ‖D‖_F

    @property
    def sharp(self) -> float:
        """The bound that holds for any W."""
        return self.first_order + self.quadratic


@dataclass(frozen=True)
class HeadMoments:
    """A head, the hidden states of a sample, and what the bounds need of both."""

    frozen: HeadStates
    head: Tensor  # (V, d)
    gradient: Tensor  # (V, d) of the mean loss
    second_moment: Tensor  # (d, d) mean x xᵀ, float64
    mean_norm: float  # mean ‖x‖


def compute_moments(frozen: HeadStates, head: Tensor) -> HeadMoments:
    """Gradient and moments of a head (V, d) on the states of a sample."""
    states = frozen.hidden_states
    gradient = loss_and_gradients(states, frozen.next_tokens.flatten(), (head.T,), frozen.bias)[1][0].T
    mean_norm = float(states.norm(dim=1).double().mean())
    return HeadMoments(frozen, head, gradient, gram(states)[0] / len(states), mean_norm)


def bounds(moments: HeadMoments, heads: Sequence[Factors]) -> list[Bounds]:
    """The bounds for each of these heads in place of the sample's."""
    variances = _mean_variances(moments, heads)
    return [_bounds(moments, factors, variance) for factors, variance in zip(heads, variances, strict=True)]


def _bounds(moments: HeadMoments, factors: Factors, mean_variance: float) -> Bounds:
    difference = weight_matrix(factors) - moments.head
    product, total = gram(difference)
    centred = centre(product, total, len(difference))
    return Bounds(
        first_order=float((moments.gradient.double() * difference.double()).sum()),
        second_order=max(0.0, mean_variance) / 2,
        quadratic=max(0.0, float((centred * moments.second_moment).sum()) / 4),
        paper=math.sqrt(2 * float(product.trace())) * moments.mean_norm,
    )


def _mean_variances(moments: HeadMoments, heads: Sequence[Factors]) -> list[float]:
    """Mean Var_p(D x) for each head, D = W_r − W.

    W x and p are computed once for all, and D x as W_r x − W x, through the factors of W_r.
    """
    states, bias = moments.frozen.hidden_states, moments.frozen.bias
    totals = torch.zeros(len(heads), dtype=torch.float64, device=states.device)
    chunks = token_chunks(len(states), moments.head.shape, states.device)
    for part in progress(chunks, "second-order terms", unit="chunk"):
        logits = head_logits(states[part], (moments.head.T,))
        probability = torch.softmax(logits if bias is None else logits + bias, 1)
        for number, factors in enumerate(heads):
            moved = head_logits(states[part], factors).sub_(logits)
            moved -= moved.mean(1, keepdim=True)
            mean = torch.linalg.vecdot(probability, moved)
            squares = torch.linalg.vecdot(probability, moved.square_())
            totals[number] += (squares - mean.square()).sum(dtype=torch.float64)
    return (totals / len(states)).tolist()
