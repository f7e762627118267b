"""An LM head W (V, d) cut to rank r without training, in four ways: the heads of rank r of Theorem 5.3.

truncated          truncated SVD of W: nearest in Frobenius norm (Eckart–Young–Mirsky; arXiv 2404.07647, Lemma 5.2)
truncated_centred  the same of W less its mean row, which changes no probability
weighted           nearest in mean ‖(W_r − W) x‖² over the hidden states x: truncated SVD of W Σ^½, Σ = mean x xᵀ
weighted_centred   the same less the mean over the vocabulary, mean ‖P (W_r − W) x‖² with P = 1 − 11ᵀ/V: all that
                   softmax can see, so the quadratic bound of `loss_bounds` is lowest here

All come from eigenproblems of d×d matrices in float64.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lm_saturation.heads.factored_head import Factors
from lm_saturation.metrics.head_spectrum import centre, gram

CUTS = ["truncated", "truncated_centred", "weighted", "weighted_centred"]
NEGLIGIBLE = 1e-12  # of the largest eigenvalue of Σ: directions that hidden states do not take


@dataclass(frozen=True)
class Cut:
    """The head of every rank: W_r = W right[:, :r] left[:r], or that of W less its mean row."""

    right: Tensor  # (d, d)
    left: Tensor  # (d, d)
    values: Tensor  # (d,) singular values of what is cut, in falling order
    centred: bool

    def factors(self, head: Tensor, rank: int) -> Factors:
        """The factors of W_r, in the type of `head`."""
        rows = head - head.mean(0) if self.centred else head
        return self.right[:, :rank].T.to(head.dtype) @ rows.T, self.left[:rank].to(head.dtype).contiguous()

    def error(self, rank: int) -> float:
        """Share of the norm that is cut off: for `truncated`, W-error as the paper's Fig 8 has it."""
        squares = self.values.square()
        return float((squares[rank:].sum() / squares.sum()).sqrt())


def cut(name: str, head: Tensor, second_moment: Tensor) -> Cut:
    """One of CUTS of a `head` (V, d), for hidden states of that second moment Σ (d, d), in float64."""
    product, total = gram(head)
    centred = name.endswith("centred")
    product = centre(product, total, len(head)) if centred else product
    if not name.startswith("weighted"):
        values, vectors = _eigen(product)
        return Cut(vectors, vectors.T, values.sqrt(), centred)
    spread, axes = _eigen(second_moment)
    root = spread.sqrt()
    inverse = torch.where(spread > NEGLIGIBLE * spread[0], 1 / root, 0.0)
    half, back = (axes * root) @ axes.T, (axes * inverse) @ axes.T
    values, vectors = _eigen(half @ product @ half)
    return Cut(half @ vectors, vectors.T @ back, values.sqrt(), centred)


def _eigen(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (d,) in falling order, none below 0, and their vectors as columns."""
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    return values.flip(0).clamp(min=0), vectors.flip(1)
