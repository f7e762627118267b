"""What figures 2, 4 and 5 of the paper show of a readout, and how far it must be changed to show what they do."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from lm_saturation.invisible.readout import Readout, moved, stretched
from lm_saturation.metrics.anisotropy import anisotropy
from lm_saturation.metrics.head_spectrum import centre, gram, singular_values
from lm_saturation.metrics.singular_entropy import singular_entropy

DOUBLINGS = 24  # of a scale, until its effect is there or is taken to be out of reach
HALVINGS = 40  # of the last of them
NEAR = 1e-3  # of a mean cosine
WIDTHS = {"pythia-14m": 128, "pythia-31m": 256, "pythia-70m": 512, "pythia-160m": 768, "pythia-410m": 1024}


@dataclass(frozen=True)
class Targets:
    """What the last checkpoint of one of the paper's models shows."""

    entropy_share: float  # singular entropy over log d
    sigma_ratio: float  # σ2/σ1 of the LM head
    anisotropy: float  # of the last layer


@dataclass(frozen=True)
class HeadShape:
    """Of a head (V, d)."""

    entropy: float  # singular entropy, nats
    sigma_ratio: float  # σ2/σ1; 0 of a single singular value

    def reaches(self, targets: Targets, width: int) -> bool:
        """Whether it is at least as degenerate."""
        return self.entropy >= targets.entropy_share * np.log(width) and self.sigma_ratio <= targets.sigma_ratio


def read_targets(layers: pd.DataFrame, values: pd.DataFrame, entropies: pd.DataFrame, model: str) -> Targets:
    """Of a model of WIDTHS, from the paper's figures 2, 4 and 5 as read off."""
    layer, entropy = layers[layers.model == model], entropies[entropies.model == model]
    second = values[(values.model == model) & (values["rank"] == 2)]
    last = [frame.sort_values(by).iloc[-1] for frame, by in ((layer, "layer"), (second, "step"), (entropy, "step"))]
    share = float(last[2].singular_entropy) / np.log(WIDTHS[model])
    return Targets(float(share), float(last[1].singular_value_share), float(last[0].anisotropy))


def shape_of(values: NDArray[np.float64]) -> HeadShape:
    """Of singular values (k,) in falling order."""
    ratio = values[1] / values[0] if len(values) > 1 and values[0] > 0 else 0.0
    return HeadShape(singular_entropy(values, 2), float(ratio))


def head_shapes(head: Tensor) -> tuple[HeadShape, HeadShape]:
    """Of the head as it is, and of the head less its mean row."""
    product, total = gram(head)
    rank = min(head.shape)
    return shape_of(singular_values(product, rank)), shape_of(singular_values(centre(product, total, len(head)), rank))


def least_head_shift(head: Tensor, direction: Tensor, targets: Targets) -> float:
    """The least α, from 0, at which W + 1(α · direction)ᵀ is as degenerate as the targets.

    Its Gram matrix is W̃ᵀW̃ + V μμᵀ with the mean row μ = w̄ + α · direction.
    """
    product, total = gram(head)
    rows, rank = len(head), min(head.shape)
    spread, mean = centre(product, total, rows), total / rows

    def reached(scale: float) -> bool:
        row = mean + scale * direction
        values = singular_values(spread + rows * torch.outer(row, row), rank)
        return shape_of(values).reaches(targets, rank)

    norm = float(product.trace() / rows) ** 0.5  # of a row
    return _least(reached, norm / 16 or 1.0)


def least_stretch(readout: Readout, direction: Tensor, cosine: float) -> float:
    """The least factor, from 1, of `stretched` along `direction` at which the mean cosine is `cosine`.

    Where states lie on both sides of 0 along it, they may never be so alike: then the first factor that comes as near
    as any tried, within NEAR.
    """
    only = Readout(readout.head[:0], readout.bias[:0], readout.states)

    def cosine_at(scale: float) -> float:
        return anisotropy(stretched(only, direction, 1 + scale).states).raw

    tried = {scale: cosine_at(scale) for scale in (0.0, *(2.0**power for power in range(-4, DOUBLINGS - 4)))}
    most = max(tried.values())
    if most < cosine:
        return 1 + next(scale for scale, found in tried.items() if found >= most - NEAR)
    return 1 + _least(lambda scale: cosine_at(scale) >= cosine, 1 / 16)


def least_move(readout: Readout, direction: Tensor, cosine: float) -> float:
    """The least c, from 0, at which states h + c · direction have the mean cosine `cosine`."""
    only = Readout(readout.head[:0], readout.bias[:0], readout.states)
    first = float(torch.linalg.vector_norm(readout.states, dim=1).mean()) / 16 or 1.0
    return _least(lambda scale: anisotropy(moved(only, scale * direction).states).raw >= cosine, first)


def _least(reached: Callable[[float], bool], first: float) -> float:
    """The least scale, from 0, at which `reached`, as far as it stays so: by doubling from `first`, then halving."""
    if reached(0.0):
        return 0.0
    low, high = 0.0, first
    for _ in range(DOUBLINGS):
        if reached(high):
            break
        low, high = high, 2 * high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
        if high - low <= 1e-9 * high:
            break
    return high
