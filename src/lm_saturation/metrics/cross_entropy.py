"""Cross-entropy: −log softmax(logits)[target], in nats; logits in float32, sums over tokens in float64."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from lm_saturation.inference.logits import for_each_logits
from lm_saturation.metrics.registry import metric

if TYPE_CHECKING:
    from lm_saturation.metrics.forward_pass import ForwardPass


@dataclass(frozen=True)
class Loss:
    """The loss on a sample of sequences of equal length."""

    mean: float  # nats/token
    error: float | None  # standard error of the mean over sequences; None of a single one


def token_losses(logits: torch.Tensor, targets: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """(n,) nats of the `targets` (n,) under logits (n, V) in float32: log Σ exp(l − shift) + shift − l_target.

    `shift` (n,) near the largest logit keeps exp in range; the loss does not depend on it.
    """
    total = (logits - shift[:, None]).exp_().sum(1)
    return total.log_() + (shift - logits.gather(1, targets[:, None])[:, 0])


def target_losses(model: Any, states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """(n,) nats of the `targets` (n,) after hidden states (n, d)."""
    losses = torch.empty(len(targets), device=states.device)

    def work(places: slice, logits: torch.Tensor) -> None:
        losses[places] = token_losses(logits, targets[places], logits.amax(1))

    for_each_logits(model, states, work)
    return losses


def summarise(losses: NDArray[np.float64]) -> Loss:
    """The mean of losses (sequences, tokens) and its standard error: tokens of one sequence are not independent."""
    means = losses.mean(1)
    error = float(means.std(ddof=1) / math.sqrt(len(means))) if len(means) > 1 else None
    return Loss(float(means.mean()), error)


def bits_per_byte(nats: float, size: int) -> float:
    """`nats` of loss over text of `size` bytes, in bits for each byte."""
    return nats / math.log(2) / size


@metric
def columns(forward: "ForwardPass") -> dict[str, float | None]:
    """The loss on the sample."""
    loss, sample = forward.loss, forward.spec.sample
    return {
        "cross_entropy_nats": loss.mean,
        "cross_entropy_error": loss.error,
        "bits_per_byte": bits_per_byte(loss.mean * sample.targets.size, sample.size),
    }
