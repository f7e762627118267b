"""Do the head's top directions spell token frequency? The open hypothesis of arXiv 2404.07647, section 7."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

LEAST = 3  # tokens: with two, any correlation is 1 or −1


def frequency_correlation(vector: NDArray[np.float64], counts: NDArray[np.int64]) -> float | None:
    """Spearman's rank correlation of a left singular vector (V,) with log token frequency, of the tokens seen.

    `counts` (V,) says how often the corpus holds each token. Ranks do not change with the logarithm. None if fewer than
    three tokens are seen, or all values are alike.
    """
    seen = counts > 0
    if seen.sum() < LEAST:
        return None
    ranks = rankdata(vector[seen]), rankdata(counts[seen])
    if any(np.ptp(rank) == 0 for rank in ranks):
        return None
    return float(np.clip(np.corrcoef(*ranks)[0, 1], -1, 1))
