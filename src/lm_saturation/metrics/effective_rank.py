"""Effective rank (Roy & Vetterli 2007, "The effective rank: a measure of effective dimensionality", definition 1)."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lm_saturation.metrics.registry import metric
from lm_saturation.metrics.singular_entropy import entropy

if TYPE_CHECKING:
    from lm_saturation.metrics.forward_pass import ForwardPass


def effective_rank(singular_values: NDArray[np.float64]) -> float:
    """The exponential of the entropy of p_i = s_i / Σ_j s_j (d,): from 1 to d. 1 for a matrix of zeros."""
    return float(np.exp(max(0.0, entropy(singular_values)))) if singular_values.any() else 1.0


@metric
def columns(forward: "ForwardPass") -> dict[str, float]:
    """Of the states that the LM head reads, and of the LM head; raw and with their mean row removed."""
    hidden, head = forward.state_spectrum, forward.head_spectrum
    return {
        "hidden_effective_rank": effective_rank(hidden.plain),
        "hidden_effective_rank_centred": effective_rank(hidden.centred),
        "head_effective_rank": effective_rank(head.plain[: head.rank]),
        "head_effective_rank_centred": effective_rank(head.centred[: head.rank]),
    }
