"""An LM head and the hidden states that it reads, and the changes of both that softmax does not see.

Logits are W h + b. Softmax sees them up to a constant per state, so it is blind to

- W ← W + 1uᵀ, which adds u·h to all logits of h;
- W ← W A⁻¹ and h ← A h with any invertible A, which changes no logit.

With the head less its mean row, W̃, and the states H both of full column rank d, there is nothing else at this width: if
W̃'H'ᵀ = W̃Hᵀ, both have the same column and row spaces, so H' = HAᵀ and W̃' = W̃A⁻¹. In particular h ← h + v with
one v for all states is seen, unless W̃v = 0; or unless some a has the same a·h for all states: then A = I + vaᵀ/(a·h) is
that shift. A bias over the tokens, or one dimension more, would hide any v.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lm_saturation.errors import InputError

RANK = 1e-15  # eigenvalues of a Gram matrix below this share of the largest are rounding


@dataclass(frozen=True)
class Readout:
    """An LM head and hidden states, in float64."""

    head: Tensor  # W (V, d)
    bias: Tensor  # b (V,)
    states: Tensor  # H (n, d)

    @property
    def centred_head(self) -> Tensor:
        """W̃ (V, d): the head less its mean row."""
        return self.head - self.head.mean(0)


def shifted(readout: Readout, shift: Tensor) -> Readout:
    """W + 1uᵀ, with u (d,). Softmax does not see it."""
    return replace(readout, head=readout.head + shift)


def stretched(readout: Readout, direction: Tensor, factor: float) -> Readout:
    """States that are `factor` times as long along a unit `direction` (d,), read so that no logit changes."""
    along, read = readout.states @ direction, readout.head @ direction
    states = torch.addr(readout.states, along, direction, alpha=factor - 1)
    head = torch.addr(readout.head, read, direction, alpha=1 / factor - 1)
    return replace(readout, states=states, head=head)


def moved(readout: Readout, shift: Tensor) -> Readout:
    """States h + v, with one v (d,) for all. Softmax sees W̃v."""
    return replace(readout, states=readout.states + shift)


def cut(readout: Readout, direction: Tensor) -> Readout:
    """A head that reads nothing along a unit `direction` (d,). Softmax sees that, but then no state's part along it."""
    return replace(readout, head=torch.addr(readout.head, readout.head @ direction, direction, alpha=-1))


def centred(readout: Readout) -> Readout:
    """The mean row taken from the head, the mean from the states; a bias keeps what the head read of that mean.

    Softmax does not see it. The bias is what the models here do not have: without it the mean of states is seen.
    """
    head, mean = readout.centred_head, readout.states.mean(0)
    return Readout(head, readout.bias + head @ mean, readout.states - mean)


def canonical(readout: Readout) -> Readout:
    """W̃M^½ and M^−½h with M = HᵀH/n: the same, up to a rotation, for all readouts that are alike to softmax.

    The singular values of that head are those of the centred logits, over √n, where there is no bias.
    """
    values, vectors = torch.linalg.eigh(readout.states.T @ readout.states / len(readout.states))
    kept = values > RANK * values[-1]
    roots = torch.where(kept, values, 0).sqrt()
    inverse = torch.where(kept, 1 / roots, 0)
    head = readout.centred_head @ (vectors * roots) @ vectors.T
    return Readout(head, readout.bias, readout.states @ (vectors * inverse) @ vectors.T)


def constant_direction(states: Tensor) -> Tensor:
    """The unit vector (d,) along which states (n, d) vary least for their mean: a ∝ (HᵀH)⁻¹Hᵀ1, mean of a·h above 0.

    a·h is the best fit of the constant 1 by a linear function of the states. After a LayerNorm with gain γ and bias β
    it is exact: Σ h_i/γ_i = Σ β_i/γ_i. Raises InputError if the states have mean zero.
    """
    mean, moments = states.mean(0), states.T @ states / len(states)
    direction = torch.linalg.pinv(moments, rtol=RANK, hermitian=True) @ mean  # the shortest where several fit
    norm = torch.linalg.vector_norm(direction)
    if not norm > 0:
        raise InputError("hidden states of mean zero: they have no common direction")
    return direction / norm


def mean_direction(states: Tensor) -> Tensor:
    """The unit vector (d,) of the mean of states (n, d), which `constant_direction` has found to be none of zero."""
    mean = states.mean(0)
    return mean / torch.linalg.vector_norm(mean)


def quietest_direction(states: Tensor) -> Tensor:
    """The unit vector (d,) along which states (n, d) are shortest: u along it gives the least offsets of logits."""
    return torch.linalg.eigh(states.T @ states / len(states)).eigenvectors[:, 0]


def least_read_direction(readout: Readout) -> Tensor:
    """The unit vector v (d,) with the smallest ‖W̃v‖, where the mean state has no negative part along it."""
    head = readout.centred_head
    direction = torch.linalg.eigh(head.T @ head).eigenvectors[:, 0]
    return -direction if readout.states.mean(0) @ direction < 0 else direction
