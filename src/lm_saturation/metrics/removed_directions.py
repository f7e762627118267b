"""Loss with the top singular directions taken out of the hidden states that the LM head reads, or out of the head.

With V (d, k) the first k right singular vectors of the states H (n, d), the head reads H − HVVᵀ instead. With those of
the head W (V, d), W − WVVᵀ is applied, which comes to the same as to read H − HVVᵀ: H(W − WVVᵀ)ᵀ = (H − HVVᵀ)Wᵀ. So
one pass over changed states gives all losses. (Removing the head's mean row changes no loss: softmax does not see it.)

In small Pythias a few dominant directions mask, and do not destroy, what the states know of the next token
(arXiv 2605.17084). If such directions were what saturation costs, to take them out would raise the loss of a saturated
model less than that of others, or lower it.
"""

from typing import TYPE_CHECKING

import torch

from lm_saturation.metrics.cross_entropy import target_losses
from lm_saturation.metrics.registry import metric

if TYPE_CHECKING:
    from lm_saturation.metrics.forward_pass import ForwardPass

REMOVED = (1, 2, 4)  # directions
TOKENS = 2048  # first predicted tokens of the sample: enough for differences of hundredths of a nat, and cheap


def without(states: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    """States (n, d) in float32, less what lies in the span of orthonormal `directions` (d, k) in float64."""
    exact = states.double()
    return (exact - exact @ directions @ directions.T).float()


@metric
def columns(forward: "ForwardPass") -> dict[str, float]:
    """The loss of the first tokens: with all directions, without those of the states, without those of the head."""
    states = forward.states.flatten(0, 1)[:TOKENS]
    targets = torch.from_numpy(forward.spec.sample.targets.ravel()[:TOKENS]).to(states.device)
    spaces = {"state": forward.state_spectrum.directions, "head": forward.head_spectrum.directions}
    changed = {
        f"loss_without_{name}_directions_{number}": without(states, directions[:, :number])
        for name, directions in spaces.items()
        for number in REMOVED
    }
    losses = target_losses(forward.model, torch.cat(list(changed.values())), targets.repeat(len(changed)))
    means = losses.double().view(len(changed), -1).mean(1).tolist()
    return {
        "loss_with_all_directions": float(forward.losses.ravel()[:TOKENS].mean()),
        **dict(zip(changed, means, strict=True)),
    }
