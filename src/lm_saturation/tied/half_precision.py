"""Numbers that are too small for half precision.

A number underflows if it is below the smallest normal number of a format: float16 then keeps fewer digits of it, and
nothing below about 3e-8. bfloat16 has the range of float32.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from lm_saturation.tied.bigram import mean_error

PRECISIONS = {"float16": torch.float16, "bfloat16": torch.bfloat16}


class Underflow(NamedTuple):
    """Of the entries of a matrix, what is not 0 and underflows in a format."""

    share: float
    error: float  # its standard error over rows
    zero_share: float  # what becomes 0


def underflow(values: Tensor, precision: torch.dtype) -> Underflow:
    """What of `values` (rows, d), in float32, underflows."""
    small = (values != 0) & (values.abs() < torch.finfo(precision).tiny)
    zero = (values != 0) & (values.to(precision) == 0)
    share, error = mean_error(small.double().mean(1).numpy())
    return Underflow(share, error, float(zero.double().mean()))


def head_gradient(probabilities: Tensor, targets: Tensor, states: Tensor) -> Tensor:
    """(rows, d) gradient of the mean loss of R inputs with respect to the first rows of the head.

    `probabilities` (R, rows) are those of the first tokens, `targets` (R,) the next tokens, `states` (R, d).
    """
    hits = targets[:, None] == torch.arange(probabilities.shape[1])
    return (probabilities - hits.float()).T @ states / len(states)
