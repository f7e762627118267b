"""Anisotropy: the mean cosine of all pairs of hidden states (arXiv 2404.07647, section 3.2).

A(H) = 1/(n² − n) Σ_{i≠j} cos(h_i, h_j) = (‖Σ_i h_i/‖h_i‖‖² − n) / (n² − n), in O(nd), exactly.
A state of norm zero has cosine 0 with all others.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from lm_saturation.inference.blocks import row_blocks
from lm_saturation.metrics.registry import metric

if TYPE_CHECKING:
    from lm_saturation.metrics.forward_pass import ForwardPass


@dataclass(frozen=True)
class Anisotropy:
    """What the directions of some hidden states share."""

    raw: float  # mean cosine
    centred: float  # mean cosine after their mean is removed
    mean_share: float  # share of their squared norm on their mean: n ‖m‖² / Σ‖h_i‖²
    mean_norm: float  # mean of ‖h_i‖


def anisotropy(states: torch.Tensor) -> Anisotropy:
    """The anisotropy of hidden states (..., d), in float64, in two passes: the mean is needed before the second.

    Not finite if a state is not.
    """
    total, units, count, norms, squares = _sums(states, torch.zeros((), dtype=torch.float64, device=states.device))
    number = states.numel() // states.shape[-1]
    mean = total / number
    _, centred_units, centred_count, _, _ = _sums(states, mean)
    share = min(1.0, number * float(mean @ mean) / squares) if squares else 0.0
    return Anisotropy(
        _mean_cosine(units, count, number), _mean_cosine(centred_units, centred_count, number), share, norms / number
    )


def _sums(states: torch.Tensor, mean: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, int, float, float]:
    """Of states − mean: the sum (d,), the sum of unit vectors (d,), their number, the sum of norms and of squares."""
    sums = torch.zeros(2, states.shape[-1], dtype=torch.float64, device=states.device)
    scalars = torch.zeros(3, dtype=torch.float64, device=states.device)
    for rows in row_blocks(states):
        rows = rows - mean
        norms = torch.linalg.vector_norm(rows, dim=1)
        inverse = torch.where(norms == 0, 0, 1 / norms)
        sums += torch.stack([torch.ones_like(norms), inverse]) @ rows
        scalars += torch.stack([(norms != 0).sum(), norms.sum(), norms @ norms])
    count, norm, square = scalars.tolist()
    return sums[0], sums[1], int(count), norm, square


def _mean_cosine(units: torch.Tensor, count: int, number: int) -> float:
    """From the sum of `count` unit vectors, those of norm zero left out; 0 for a single state."""
    if number < 2:
        return 0.0
    cosine = (float(units @ units) - count) / (number**2 - number)
    return min(1.0, max(-1.0, cosine))  # of rounding; NaN stays NaN


@metric
def columns(forward: "ForwardPass") -> dict[str, float]:
    """The directions and norms of the states that the LM head reads."""
    last = forward.layers[-1].anisotropy
    return {
        "anisotropy": last.raw,
        "anisotropy_centred": last.centred,
        "hidden_mean_share": last.mean_share,
        "hidden_norm": last.mean_norm,
    }
