"""Do the head's top directions spell token frequency? The open hypothesis of arXiv 2404.07647, section 7."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from lm_saturation.metrics.registry import metric

if TYPE_CHECKING:
    from lm_saturation.metrics.forward_pass import ForwardPass

MINIMUM_TOKENS = 3  # tokens: with two, any correlation is 1 or −1


def frequency_correlation(vector: NDArray[np.float64], counts: NDArray[np.int64]) -> float | None:
    """Spearman's rank correlation of a left singular vector (V,) with log token frequency, of the tokens seen.

    `counts` (V,) says how often the corpus holds each token. Ranks do not change with the logarithm. None if fewer than
    three tokens are seen, or all values are alike.
    """
    seen = counts > 0
    if seen.sum() < MINIMUM_TOKENS:
        return None
    ranks = rankdata(vector[seen]), rankdata(counts[seen])
    if any(np.ptp(rank) == 0 for rank in ranks):
        return None
    return float(np.clip(np.corrcoef(*ranks)[0, 1], -1, 1))


@metric
def columns(forward: "ForwardPass") -> dict[str, float | None]:
    """Of the LM head's first left singular vector, raw and centred; that of the centred head has no sign."""
    head, counts = forward.head_spectrum, forward.spec.counts
    centred = frequency_correlation(head.first_centred, counts)
    return {
        "top_frequency_correlation": frequency_correlation(head.first, counts),
        "top_frequency_correlation_centred": None if centred is None else abs(centred),
    }
