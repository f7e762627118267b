"""Singular entropy: how far singular values are from all alike (arXiv 2404.07647, section 4.2 and Fig 5)."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lm_saturation.metrics.registry import metric

if TYPE_CHECKING:
    from lm_saturation.metrics.forward_pass import ForwardPass


def entropy(weights: NDArray[np.float64]) -> float:
    """The Shannon entropy, in nats, of weights ≥ 0 (d,) divided by their sum."""
    share = weights[weights > 0] / weights.sum()
    return float(-(share * np.log(share)).sum())


def singular_entropy(singular_values: NDArray[np.float64], power: int) -> float:
    """KL(p‖u) = ln d − H(p), in nats, of p_i = s_i^power / Σ_j s_j^power (d,) to the uniform u.

    0 where all are alike, ln d where all but one are zero. Only power 2 gives the paper's figure 5. Zero for a head of
    zeros.
    """
    if not singular_values.any():
        return 0.0
    scaled = singular_values / singular_values.max()  # no power of it overflows
    return max(0.0, float(np.log(len(scaled))) - entropy(scaled**power))


@metric
def columns(forward: "ForwardPass") -> dict[str, float]:
    """Of the LM head: raw, with its mean row removed, with padding rows; and by singular values unsquared."""
    head = forward.head_spectrum
    plain, centred = head.plain[: head.rank], head.centred[: head.rank]
    return {
        "singular_entropy": singular_entropy(plain, 2),
        "singular_entropy_centred": singular_entropy(centred, 2),
        "singular_entropy_padded": singular_entropy(head.padded, 2),
        "singular_entropy_sigma": singular_entropy(plain, 1),
        "singular_entropy_sigma_centred": singular_entropy(centred, 1),
    }
