"""Effective rank (Roy & Vetterli 2007, "The effective rank: a measure of effective dimensionality", definition 1)."""

import numpy as np
from numpy.typing import NDArray

from scripts.metrics.singular_entropy import entropy


def effective_rank(singular_values: NDArray[np.float64]) -> float:
    """The exponential of the entropy of p_i = s_i / Σ_j s_j (d,): from 1 to d. 1 for a matrix of zeros."""
    return float(np.exp(max(0.0, entropy(singular_values)))) if singular_values.any() else 1.0
