"""The bigram model that a residual network with tied embeddings starts as, sampled; formulas.py has the theory.

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

BLOCK = 4096  # embeddings in memory at a time
EMBEDDINGS, HEAD, MAP = 0, 1, 2  # streams of random numbers


def generator_of(seed: int, stream: int) -> torch.Generator:
    """A generator for one stream of random numbers.

    A map made from the same numbers as the embeddings would depend on them: Qw would be one-hot for some of them.
    """
    return torch.Generator().manual_seed(int(np.random.SeedSequence([seed, stream]).generate_state(1)[0]))


@dataclass(frozen=True)
class BigramLosses:
    """Losses and self-logits of R inputs at S values of σ."""

    losses: NDArray[np.float64]  # (S, R) nats, averaged over all next tokens
    self_logits: NDArray[np.float64]  # (S, R)
    log_sums: NDArray[np.float64]  # (S, R) log Σ_j exp of the logits


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
    """The state after the final norm, w / rms(w) of w (..., d), by RMSNorm; by LayerNorm that of w less its mean."""
    return embedding / embedding.square().mean(-1, keepdim=True).sqrt()


def centred(embedding: Tensor) -> Tensor:
    """Embeddings (..., d), each less the mean of its entries, as LayerNorm begins."""
    return embedding - embedding.mean(-1, keepdim=True)


def sample_losses(states: Tensor, self_rows: Tensor, head: Iterator[Tensor], sigmas: list[float]) -> BigramLosses:
    """The loss of inputs with the given states (R, d), under an LM head over σ that comes in blocks of rows.

    `self_rows` (R, d) are the head's rows of the inputs themselves. R × BLOCK logits are in memory at a time, and those
    of all σ come from one product, since σ only scales them.
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
    self_scores = (states.double() * self_rows.double()).sum(1)
    mean_of_others = (sums - self_scores) / (count - 1)
    return BigramLosses((total - scale * mean_of_others).numpy(), (scale * self_scores).numpy(), total.numpy())


def mean_error(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard error of independent values (R,)."""
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))


def moments(vocabulary_size: int, width: int, seed: int) -> list[dict[str, Any]]:
    """Moments of embeddings with σ² = 1/d, sampled and in theory; and Su's (2023) where it differs.

    E‖w‖² = dσ², Var‖w‖² = 2dσ⁴ and E[(w·v)²] = dσ⁴, the last from disjoint, so independent, pairs of embeddings. At
    σ² = 1/d that is 1, 2/d and 1/d; Su (2023) has 1/d³ for the last.
    """
    norms, products = _squares(vocabulary_size, width, seed)
    deviations = (norms - norms.mean()) ** 2
    moments: dict[str, tuple[NDArray[np.float64], float, float | None]] = {
        "squared_norm_mean": (norms, 1.0, None),
        "squared_norm_variance": (deviations, 2 / width, None),
        "inner_product_square": (products, 1 / width, 1 / width**3),
    }
    rows = []
    for moment, (values, theory, su_2023) in moments.items():
        mean, error = mean_error(values)
        rows.append({"moment": moment, "value": mean, "error": error, "theory": theory, "su_2023": su_2023})
    return rows


def _squares(vocabulary_size: int, width: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """‖w‖² (n,) of embeddings with σ² = 1/d, and (w·v)² of disjoint pairs of them (about n/2,)."""
    norms, products = [], []
    for block in embeddings(vocabulary_size, width, seed):
        scaled, pairs = block.double() / math.sqrt(width), len(block) // 2
        norms.append(scaled.square().sum(1))
        products.append((scaled[:pairs] * scaled[pairs : 2 * pairs]).sum(1).square())
    return torch.cat(norms).numpy(), torch.cat(products).numpy()
