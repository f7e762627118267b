"""Initialisations of LM heads W = AB, A (V, r) and B (r, d).

normal  A, B ~ N(0, 1), as the paper's (arXiv 2404.07647, section 5.2)
scaled  B ~ N(0, 1/d), A ~ N(0, 2/(5r)): the entries of AB have the variance 2/(5d) of Pythia's own small initialisation
svd     the pretrained head cut to rank r by its singular value decomposition, its values shared between both factors
weighted_svd
        the pretrained head cut so that logits change least, up to a common offset: `weighted_centred` of `truncation`
"""

import numpy as np
import torch
from torch import Tensor

from lm_saturation.heads.factored_head import Factors, weight_matrix
from lm_saturation.heads.truncation import Cut

CUT_OF = {"svd": "truncated", "weighted_svd": "weighted_centred"}  # initialisations of the pretrained head
INITIALISATIONS = ["normal", "scaled", *CUT_OF]


def initial_factors(initialisation: str, rank: int, head: Tensor, truncation: Cut | None, seed: int) -> Factors:
    """The factors that a rank starts from at every learning rate; `truncation`: the cut CUT_OF of `head` (V, d).

    `normal` and `scaled` draw the same numbers, whatever else is trained beside them.
    """
    if truncation and initialisation in CUT_OF:
        return _cut_factors(rank, head, truncation)
    rows, width = head.shape
    rng = np.random.default_rng([seed, rank])
    shapes = (rank, rows), (rank, width)
    first, second = (torch.from_numpy(rng.standard_normal(shape, np.float32)).to(head.device) for shape in shapes)
    if initialisation == "scaled":
        first, second = first * (2 / (5 * rank)) ** 0.5, second * width**-0.5
    return first, second


def _cut_factors(rank: int, head: Tensor, truncation: Cut) -> Factors:
    first, second = truncation.factors(head, rank)
    smallest = torch.finfo(torch.float32).tiny  # of a direction that the head lacks
    scale = (first.norm(dim=1, keepdim=True).clamp(min=smallest) / second.norm(dim=1, keepdim=True)).sqrt()
    return first / scale, scale * second  # rows of equal norm: both learn at one rate


def unfactored(factors: Factors) -> Factors:
    """The same head in one matrix."""
    return (weight_matrix(factors).T.contiguous(),)
