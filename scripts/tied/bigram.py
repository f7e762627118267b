"""The bigram model that a residual network with a shared embedding starts as, sampled: see formulas.py for theory.

Memory holds R × BLOCK logits and BLOCK × d embeddings, whatever the vocabulary: there is no n × n block.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scripts.tied.remedies import EMBEDDINGS, generator_of

BLOCK = 4096  # embeddings in memory at a time


@dataclass(frozen=True)
class Sampled:
    """What was found for each of R inputs and S values of σ."""

    losses: NDArray[np.float64]  # (S, R) nats, averaged over all next tokens
    own_logits: NDArray[np.float64]  # (S, R)


def embeddings(vocabulary_size: int, width: int, seed: int, stream: int = EMBEDDINGS) -> Iterator[Tensor]:
    """The embeddings (n, d) over σ in blocks of rows (m, d), float32; the same at each call."""
    generator = generator_of(seed, stream)
    for begin in range(0, vocabulary_size, BLOCK):
        yield torch.randn(min(BLOCK, vocabulary_size - begin), width, generator=generator)


def first_embeddings(vocabulary_size: int, width: int, seed: int, rows: int, stream: int = EMBEDDINGS) -> Tensor:
    """The first of them (rows, d), fewer if there are fewer: as random as any others."""
    parts: list[Tensor] = []
    for block in embeddings(vocabulary_size, width, seed, stream):
        parts.append(block)
        if sum(map(len, parts)) >= rows:
            break
    return torch.cat(parts)[:rows]


def normed(embedding: Tensor) -> Tensor:
    """X = w / rms(w) of w (..., d): what is left of them after the final norm."""
    return embedding / embedding.square().mean(-1, keepdim=True).sqrt()


def sample_losses(states: Tensor, own: Tensor, head: Iterator[Tensor], sigmas: list[float]) -> Sampled:
    """The loss of inputs with the given states (R, d), under the rows of a head over σ that come in blocks.

    `own` (R, d) are the head's rows of the inputs themselves. R × BLOCK logits are in memory at a time, and those of
    all σ come from one product, since σ only scales them.
    """
    scale = torch.tensor(sigmas, dtype=torch.float64)[:, None]
    total = torch.full((len(sigmas), len(states)), -math.inf, dtype=torch.float64)
    sums, count = torch.zeros(len(states), dtype=torch.float64), 0
    for block in head:
        scores = states @ block.T
        for place, sigma in enumerate(sigmas):
            total[place] = torch.logaddexp(total[place], torch.logsumexp(scores * sigma, 1).double())
        sums += scores.sum(1, dtype=torch.float64)
        count += len(block)
    own_scores = (states.double() * own.double()).sum(1)
    others = (sums - own_scores) / (count - 1)
    return Sampled((total - scale * others).numpy(), (scale * own_scores).numpy())


def mean_error(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard error of independent values (R,)."""
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))


def moments(vocabulary_size: int, width: int, seed: int) -> list[dict[str, Any]]:
    """Moments of embeddings with σ² = 1/d, sampled and in theory, with what the page prints where it differs.

    E‖w‖² = dσ², Var‖w‖² = 2dσ⁴ and E[(w·v)²] = dσ⁴, the last from disjoint, so independent, pairs of embeddings. At
    σ² = 1/d that is 1, 2/d and 1/d; the page prints 1/d³ for the last.
    """
    squares, products = [], []
    for block in embeddings(vocabulary_size, width, seed):
        exact, pairs = block.double() / math.sqrt(width), len(block) // 2
        squares.append(exact.square().sum(1))
        products.append((exact[:pairs] * exact[pairs : 2 * pairs]).sum(1).square())
    norms, inner = torch.cat(squares).numpy(), torch.cat(products).numpy()
    deviations = (norms - norms.mean()) ** 2
    found: dict[str, tuple[NDArray[np.float64], float, float | None]] = {
        "squared_norm_mean": (norms, 1.0, None),
        "squared_norm_variance": (deviations, 2 / width, None),
        "inner_product_square": (inner, 1 / width, 1 / width**3),
    }
    rows = []
    for moment, (values, theory, page) in found.items():
        mean, error = mean_error(values)
        rows.append({"moment": moment, "value": mean, "error": error, "theory": theory, "page": page})
    return rows
