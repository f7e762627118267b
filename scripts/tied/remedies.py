"""What to do about the high initial loss of a shared embedding: every remedy of Su Jianlin 2023 (kexue.fm 9698).

With one matrix for embedding and LM head, and residual branches that start at zero, the state after the final norm is
x_i = w_i / rms(w_i) for input i, and its own logit x_i · w_i is about dσ, far above those of all other tokens. A remedy
makes the embedding smaller, takes another head, or puts an orthogonal map M between norm and head: then the own logit
is x_i · Mᵀ w_i, with mean σ tr M, and tr M is 0 or 2 rather than d.

model = build(REMEDIES["swap"], definition, vocabulary_size, sequence_length, 0.02, "name")
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import GPTNeoXForCausalLM

from scripts.checkpoints.gpt_neox import RESIDUAL_OUTPUTS, build_model
from scripts.common.jobs import InputError

# E gelu(z)² of z ~ N(0, 1), which is E z² Φ(z)²: what is left of the state's mean square after the activation
GELU_POWER = 1 / 3 + 1 / (2 * math.pi * math.sqrt(3))

EMBEDDINGS, HEAD, MAP = 0, 1, 2  # streams of random numbers


def generator_of(seed: int, stream: int) -> torch.Generator:
    """A generator of a stream of its own.

    A map made from the same numbers as the embeddings would know them: Qw would be one-hot for some of them.
    """
    return torch.Generator().manual_seed(int(np.random.SeedSequence([seed, stream]).generate_state(1)[0]))


class HalfSwap(nn.Module):
    """S[x] = x[d/2:] ∘ x[:d/2]: the halves of x (..., d) change places (page, remedy 4).

    A symmetric permutation without a fixed point: tr S = 0. The own logit has variance 2dσ², twice that of others.
    Raises InputError if d is odd.
    """

    def forward(self, states: Tensor) -> Tensor:
        """(..., d) to (..., d)."""
        half = _half(states.shape[-1])
        return torch.cat([states[..., half:], states[..., :half]], -1)


class ChannelShuffle(nn.Module):
    """Reshape x (..., d) to two groups of d/2, transpose, reshape back (page, remedy 5).

    After ShuffleNet (Zhang et al. 2017, arXiv 1707.01083, section 3.1). A permutation that keeps its first and last
    place, and with two groups no other: tr = 2, so the own logit has mean 2σ rather than 0. More groups may keep more:
    a × b keep gcd(a − 1, b − 1) + 1. Raises InputError if d is odd.
    """

    def forward(self, states: Tensor) -> Tensor:
        """(..., d) to (..., d)."""
        return states.unflatten(-1, (2, _half(states.shape[-1]))).transpose(-1, -2).flatten(-2)


def _half(width: int) -> int:
    if width % 2:
        raise InputError(f"width {width} is odd; swap and shuffle need two halves: allowed is an even width")
    return width // 2


class Projection(nn.Module):
    """x (..., d) to a(Qx + b), Q orthogonal at the start and trained (page, remedy 3).

    Q is uniform over all orthogonal matrices, so tr Q has mean 0 and variance 1. b starts at zero; a is the model's own
    activation, GELU, which leaves GELU_POWER of the mean square.
    """

    def __init__(self, width: int, generator: torch.Generator, bias: bool = False, activation: bool = False) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width, bias=bias)
        self.activation = nn.GELU() if activation else nn.Identity()
        nn.init.orthogonal_(self.linear.weight, generator=generator)
        if bias:
            nn.init.zeros_(self.linear.bias)

    def forward(self, states: Tensor) -> Tensor:
        """(..., d) to (..., d)."""
        return self.activation(self.linear(states))


Maker = Callable[[int, torch.Generator], nn.Module]


@dataclass(frozen=True)
class Remedy:
    """One of REMEDIES."""

    tied: bool = True  # is the LM head the embedding?
    scaled: bool = False  # does the embedding start with σ = (log n)/d?
    make: Maker | None = None  # the map between norm and head, of a width
    whole: bool = False  # does the own logit stay whole: is there no map, and the head the embedding?
    fixed: int = 0  # else: the trace of the map, in expectation
    power: float = 1.0  # mean square of an entry of the state that the head reads

    def trace(self, width: int) -> int:
        """Tr M of the map M (d, d), in expectation; 0 for a head of its own: the own logit has mean σ tr M."""
        return width if self.whole else self.fixed

    def sigma(self, sigma: float, vocabulary_size: int, width: int) -> float:
        """The standard deviation that embeddings start with, where it is `sigma` without a remedy (page, remedy 1)."""
        return math.log(vocabulary_size) / width if self.scaled else sigma


REMEDIES = {
    "plain": Remedy(whole=True),  # none
    "scaled": Remedy(whole=True, scaled=True),
    "untied": Remedy(tied=False),  # page, remedy 2
    "projection": Remedy(make=Projection),
    "projection_bias": Remedy(make=lambda width, generator: Projection(width, generator, bias=True)),
    "projection_activation": Remedy(
        make=lambda width, generator: Projection(width, generator, bias=True, activation=True), power=GELU_POWER
    ),
    "swap": Remedy(make=lambda _width, _generator: HalfSwap()),
    "shuffle": Remedy(make=lambda _width, _generator: ChannelShuffle(), fixed=2),
}


def build(
    remedy: Remedy, model: dict[str, Any], vocabulary_size: int, sequence_length: int, sigma: float, name: str
) -> GPTNeoXForCausalLM:
    """GPT-NeoX as `build_model` makes it, but with embeddings N(0, σ²), branches scaled, and the remedy applied.

    `model` holds `width`, `layers`, `heads`, `seed` and `residual_scale`, which multiplies the matrices that write into
    the residual: 0 is the page's premise, 1 is Pythia's initialisation. Whatever the remedy, models of one seed start
    from the same draws. The map stands behind the final norm in one module with it, so that hidden states are those
    that the head reads, for training, metrics and transformers alike.
    """
    width = model["width"]
    built = build_model(model, vocabulary_size, sequence_length, name)
    with torch.no_grad():
        _scale(built, remedy.sigma(sigma, vocabulary_size, width), model["residual_scale"])
    if remedy.tied:
        built.config.tie_word_embeddings = True
        built.lm_head.weight = built.gpt_neox.embed_in.weight
    if remedy.make:
        made = remedy.make(width, generator_of(model["seed"], MAP))
        trunk: Any = built.gpt_neox  # typed with a LayerNorm there
        trunk.final_layer_norm = nn.Sequential(trunk.final_layer_norm, made)
    return built


def _scale(model: GPTNeoXForCausalLM, sigma: float, residual: float) -> None:
    """Give embedding and head the standard deviation `sigma`, and branches `residual` of their own."""
    for weight in (model.gpt_neox.embed_in.weight, model.lm_head.weight):
        weight.mul_(sigma / math.sqrt(2 / (5 * model.config.hidden_size)))  # which `initialise` drew them with
    for parameter_name, parameter in model.named_parameters():
        if parameter_name.endswith(RESIDUAL_OUTPUTS):
            parameter.mul_(residual)
