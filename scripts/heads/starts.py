"""What heads W = AB (V, r) (r, d) start from.

normal  A, B ~ N(0, 1), as the paper's (arXiv 2404.07647, section 5.2)
scaled  B ~ N(0, 1/d), A ~ N(0, 2/(5r)): the entries of AB have the variance 2/(5d) of Pythia's own small initialisation
svd     the pretrained head cut to rank r by its singular value decomposition, its values shared between both
"""

import numpy as np
import torch
from torch import Tensor

from scripts.heads.head import Factors, whole
from scripts.heads.truncation import Cut

STARTS = ["normal", "scaled", "svd"]


def start_factors(start: str, rank: int, head: Tensor, truncation: Cut, seed: int) -> Factors:
    """The factors that every learning rate of that rank starts from; `truncation` is the cut `truncated` of `head`.

    `normal` and `scaled` draw the same numbers, whatever else is trained beside them.
    """
    rows, width = head.shape
    if start == "svd":
        first, second = truncation.factors(head, rank)
        scale = truncation.values[:rank, None].clamp(min=torch.finfo(torch.float32).tiny).sqrt().to(head.dtype)
        return first / scale, scale * second
    rng = np.random.default_rng([seed, rank])
    shapes = (rank, rows), (rank, width)
    first, second = (torch.from_numpy(rng.standard_normal(shape, np.float32)).to(head.device) for shape in shapes)
    if start == "scaled":
        first, second = first * (2 / (5 * rank)) ** 0.5, second * width**-0.5
    return first, second


def unfactored(factors: Factors) -> Factors:
    """The head that starts as the same function, in one matrix."""
    return (whole(factors).T.contiguous(),)
