"""Initialisations of LM heads W = AB, A (V, r) and B (r, d).

normal  A, B ~ N(0, 1), as the paper's (arXiv 2404.07647, section 5.2)
scaled  B ~ N(0, 1/d), A ~ N(0, 2/(5r)): the entries of AB have the variance 2/(5d) of Pythia's own small initialisation
svd     the pretrained head cut to rank r by its singular value decomposition, its values shared between both
"""

import numpy as np
import torch
from torch import Tensor

from lm_saturation.heads.factored_head import Factors, weight_matrix
from lm_saturation.heads.truncation import Cut

INITIALISATIONS = ["normal", "scaled", "svd"]


def initial_factors(initialisation: str, rank: int, head: Tensor, truncation: Cut, seed: int) -> Factors:
    """The factors that a rank starts from at every learning rate; `truncation` is the cut `truncated` of `head` (V, d).

    `normal` and `scaled` draw the same numbers, whatever else is trained beside them.
    """
    if initialisation == "svd":
        return _svd_factors(rank, head, truncation)
    rows, width = head.shape
    rng = np.random.default_rng([seed, rank])
    shapes = (rank, rows), (rank, width)
    first, second = (torch.from_numpy(rng.standard_normal(shape, np.float32)).to(head.device) for shape in shapes)
    if initialisation == "scaled":
        first, second = first * (2 / (5 * rank)) ** 0.5, second * width**-0.5
    return first, second


def _svd_factors(rank: int, head: Tensor, truncation: Cut) -> Factors:
    first, second = truncation.factors(head, rank)
    scale = truncation.values[:rank, None].clamp(min=torch.finfo(torch.float32).tiny).sqrt().to(head.dtype)
    return first / scale, scale * second


def unfactored(factors: Factors) -> Factors:
    """The same head in one matrix."""
    return (weight_matrix(factors).T.contiguous(),)
