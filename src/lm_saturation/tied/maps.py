"""The maps between final norm and LM head: modules on states (..., d), orthogonal at the start, of known trace."""

import torch
from torch import Tensor, nn

from lm_saturation.errors import InputError


class HalfSwap(nn.Module):
    """S[x] = x[d/2:] ∘ x[:d/2]: the halves of x (..., d) change places (Su 2023, remedy 4).

    A symmetric permutation without a fixed point: tr S = 0. The self-logit has variance 2dσ², twice that of others.
    Raises InputError if d is odd.
    """

    def forward(self, states: Tensor) -> Tensor:
        """(..., d) to (..., d)."""
        half = _half(states.shape[-1])
        return torch.cat([states[..., half:], states[..., :half]], -1)


class ChannelShuffle(nn.Module):
    """Reshape x (..., d) to two groups of d/2, transpose, reshape back (Su 2023, remedy 5).

    After ShuffleNet (Zhang et al. 2017, arXiv 1707.01083, section 3.1). A permutation that fixes the first and the last
    place, and with two groups no other: tr = 2, so the self-logit has mean 2σ rather than 0. More groups may fix more:
    a × b fix gcd(a − 1, b − 1) + 1. Raises InputError if d is odd.
    """

    def forward(self, states: Tensor) -> Tensor:
        """(..., d) to (..., d)."""
        return states.unflatten(-1, (2, _half(states.shape[-1]))).transpose(-1, -2).flatten(-2)


def _half(width: int) -> int:
    if width % 2:
        raise InputError(f"width {width} is odd; a map of two halves needs an even width")
    return width // 2


class Projection(nn.Module):
    """x (..., d) to a(Qx + b), Q orthogonal at the start and trained (Su 2023, remedy 3).

    Q is uniform over all orthogonal matrices, so tr Q has mean 0 and variance 1. b starts at zero; a is the model's own
    activation, GELU, which reduces a mean square of 1 to GELU_MEAN_SQUARE.
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
