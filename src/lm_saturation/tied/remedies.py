"""Remedies for the high initial loss of tied embeddings: all those of Su Jianlin 2023 (kexue.fm 9698).

With one matrix for embedding and LM head, and residual branches that start at zero, the state after the final norm is
x_i = w_i / rms(w_i) for input i. Its self-logit x_i · w_i is about dσ, far above the logits of all other tokens. A
remedy makes the embedding smaller, unties the head, or puts an orthogonal map M between norm and head: then the
self-logit is x_i · Mᵀ w_i, with mean σ tr M, and tr M is 0 or 2 rather than d.

A remedy is declared once, in REMEDIES. The configuration takes its names from there, so torch is imported only where a
map is made.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Generator
    from torch.nn import Module

# E gelu(z)² of z ~ N(0, 1), which is E z² Φ(z)²: the mean square of the state's entries after the activation
GELU_MEAN_SQUARE = 1 / 3 + 1 / (2 * math.pi * math.sqrt(3))

Maker = Callable[[int, "Generator"], "Module"]


@dataclass(frozen=True)
class Remedy:
    """A remedy, or none (`plain`)."""

    label: str  # in the legends of figures
    tied: bool = True  # the LM head is the embedding
    scaled: bool = False  # the embedding starts with σ = (log n)/d
    make: Maker | None = None  # the map between norm and head, from a width
    halves: bool = False  # the map is of two halves: the width must be even
    map_trace: int = 0  # tr M of that map, in expectation
    mean_square: float = 1.0  # of the entries of the state that the head reads

    @property
    def keeps_self_logit(self) -> bool:
        """Whether the self-logit is that of plain tying: the head is the embedding, and there is no map."""
        return self.tied and self.make is None

    def trace(self, width: int) -> int:
        """Tr M of the map M (d, d), in expectation; 0 for an untied head. The self-logit has mean σ tr M."""
        return width if self.keeps_self_logit else self.map_trace

    def sigma(self, sigma: float, vocabulary_size: int, width: int) -> float:
        """The σ that embeddings start with, where it is `sigma` without a remedy (Su 2023, remedy 1)."""
        return math.log(vocabulary_size) / width if self.scaled else sigma

    def expected_loss(self, vocabulary_size: int, width: int, sigma: float) -> float:
        """The initial loss by the second formula, nats, where residual branches start at zero."""
        from lm_saturation.tied.formulas import expected_loss

        variance = self.mean_square * width * sigma**2
        return expected_loss(vocabulary_size, sigma * self.trace(width), variance)


def _swap(_width: int, _generator: Generator) -> Module:
    from lm_saturation.tied.maps import HalfSwap

    return HalfSwap()


def _shuffle(_width: int, _generator: Generator) -> Module:
    from lm_saturation.tied.maps import ChannelShuffle

    return ChannelShuffle()


def _projection(bias: bool = False, activation: bool = False) -> Maker:
    def make(width: int, generator: Generator) -> Module:
        from lm_saturation.tied.maps import Projection

        return Projection(width, generator, bias, activation)

    return make


REMEDIES = {  # by name in the configuration and the tables, in the order that figures draw them
    "plain": Remedy("plain tying"),
    "scaled": Remedy("σ = (log n)/d", scaled=True),
    "untied": Remedy("untied", tied=False),  # Su 2023, remedy 2
    "projection": Remedy("projection", make=_projection()),
    "projection_bias": Remedy("projection, bias", make=_projection(bias=True)),
    "projection_activation": Remedy(
        "projection, GELU", make=_projection(bias=True, activation=True), mean_square=GELU_MEAN_SQUARE
    ),
    "swap": Remedy("half swap", make=_swap, halves=True),
    "shuffle": Remedy("shuffle", make=_shuffle, halves=True, map_trace=2),
}
