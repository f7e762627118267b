"""The singular values of an LM head W (V, d): from its Gram matrix WᵀW (d, d) in float64 and a dense eigensolve.

Their squares are the eigenvalues. The error of a squared singular value is about 1e-16 of the largest one, so all
values above 1e-8 of the largest are right; a Gram matrix in float32 would lose those below 1e-3.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from lm_saturation.inference.blocks import row_blocks
from lm_saturation.metrics.registry import metric

if TYPE_CHECKING:
    from lm_saturation.metrics.forward_pass import ForwardPass

DIRECTIONS = 4  # singular directions kept
ELEMENTS = 1 << 22  # numbers in a block of rows: 32 MB in float64


@dataclass(frozen=True)
class HeadSpectrum:
    """Of a head (V, d), the rows of no token among them: k = min(V, d) singular values in falling order, as (k,).

    Where the rows that tokens use are fewer than k, the last values are 0.
    """

    plain: NDArray[np.float64]  # without the rows of no token
    centred: NDArray[np.float64]  # without them, the mean row removed
    padded: NDArray[np.float64]  # with them
    rank: int  # min(rows of tokens, d): at most so many of `plain` and `centred` can differ from 0
    mean_share: float  # share of the squared norm on the mean row: rows × ‖mean row‖² / ‖W‖²
    norm: float  # Frobenius norm without the rows of no token
    first: NDArray[np.float64]  # (rows of tokens,) first left singular vector, of sum ≥ 0
    first_centred: NDArray[np.float64]  # (rows of tokens,) the same of the centred head, of either sign
    directions: torch.Tensor  # (d, at most DIRECTIONS) first right singular vectors, without the rows of no token


@dataclass(frozen=True)
class StateSpectrum:
    """Of hidden states (n, d): their min(n, d) singular values in falling order."""

    plain: NDArray[np.float64]
    centred: NDArray[np.float64]  # their mean removed
    directions: torch.Tensor  # (d, at most DIRECTIONS) first right singular vectors


def gram(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """RᵀR (d, d) and the sum of the rows (d,), in float64, of R (..., d)."""
    product = torch.zeros(rows.shape[-1], rows.shape[-1], dtype=torch.float64, device=rows.device)
    total = torch.zeros(rows.shape[-1], dtype=torch.float64, device=rows.device)
    for block in row_blocks(rows, ELEMENTS):
        product.addmm_(block.T, block)
        total += block.sum(0)
    return product, total


def centre(product: torch.Tensor, total: torch.Tensor, number: int) -> torch.Tensor:
    """The Gram matrix of the rows less their mean, from that of the rows and their sum."""
    return product - torch.outer(total, total / number)


def singular_values(product: torch.Tensor, rank: int) -> NDArray[np.float64]:
    """The `rank` largest singular values of R, in falling order, from RᵀR (d, d)."""
    return _roots(torch.linalg.eigvalsh(product), rank)


def _roots(eigenvalues: torch.Tensor, rank: int) -> NDArray[np.float64]:
    return eigenvalues.flip(0)[:rank].clamp(min=0).sqrt().cpu().numpy()


def head_spectrum(head: torch.Tensor, vocabulary_size: int) -> HeadSpectrum:
    """The spectrum of an LM head (V, d), whose rows from `vocabulary_size` on belong to no token."""
    used, unused = head[:vocabulary_size], head[vocabulary_size:]
    product, total = gram(used)
    centred = centre(product, total, len(used))
    rank, length = min(used.shape), min(head.shape)
    square = float(product.trace())
    values, vectors = torch.linalg.eigh(product)
    values_centred, vectors_centred = torch.linalg.eigh(centred)
    padded = singular_values(product + gram(unused)[0], length) if len(unused) else _roots(values, length)
    first, first_centred = _left(used, vectors[:, -1]), _left(used, vectors_centred[:, -1], total / len(used))
    return HeadSpectrum(
        plain=_filled(_roots(values, rank), length),
        centred=_filled(_roots(values_centred, rank), length),
        padded=padded,
        rank=rank,
        mean_share=min(1.0, float(total @ total) / len(used) / square) if square else 0.0,
        norm=square**0.5,
        first=-first if first.sum() < 0 else first,
        first_centred=first_centred,
        directions=_first(vectors),
    )


def state_spectrum(states: torch.Tensor) -> StateSpectrum:
    """The spectrum of hidden states (..., d)."""
    product, total = gram(states)
    number = states.numel() // states.shape[-1]
    rank = min(number, states.shape[-1])
    values, vectors = torch.linalg.eigh(product)
    centred = singular_values(centre(product, total, number), rank)
    return StateSpectrum(_roots(values, rank), centred, _first(vectors))


def _first(vectors: torch.Tensor) -> torch.Tensor:
    """The last columns of eigenvectors (d, d), last first: those of the largest eigenvalues."""
    return vectors[:, -DIRECTIONS:].flip(1).contiguous()


def _filled(values: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    return np.pad(values, (0, length - len(values)))


def _left(rows: torch.Tensor, right: torch.Tensor, mean: torch.Tensor | None = None) -> NDArray[np.float64]:
    """(rows,) the left singular vector that belongs to the `right` one (d,); zeros where the singular value is 0."""
    left = torch.cat([(block if mean is None else block - mean) @ right for block in row_blocks(rows, ELEMENTS)])
    return (left / left.norm().clamp(min=torch.finfo(torch.float64).tiny)).cpu().numpy()


@metric
def columns(forward: "ForwardPass") -> dict[str, float]:
    """The norm of the LM head, and the share of its squared norm on its mean row."""
    head = forward.head_spectrum
    return {"head_norm": head.norm, "head_mean_share": head.mean_share}
