"""Where the search begins: W-error's own solution, a logarithmic one, noise, or the solution of fewer dimensions.

The first dimension of each holds the unigram law, log u_v, with h = 1.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import svds

from lm_saturation.softmax_rank.laws import NextTokenLaws

Numbers = NDArray[np.float64]
Start = tuple[Numbers, Numbers]  # H (C, d), W (V, d)
NOISE = 0.01  # of what a warm start adds, relative to what it has
PRIOR = 0.1  # weight of the unigram law in the logarithm of a law


def correspondence(laws: NextTokenLaws, dimension: int, rng: np.random.Generator) -> Start:
    """The best logits to second order around the unigram law: P/u − 1, weighted by it (correspondence analysis)."""
    return _from_ratio(laws, dimension, rng, lambda ratio: ratio - 1)


def logarithmic(laws: NextTokenLaws, dimension: int, rng: np.random.Generator) -> Start:
    """The same with log((P + εu)/((1 + ε)u)), which is the logit itself where a token was seen often."""
    return _from_ratio(laws, dimension, rng, lambda ratio: np.log((ratio + PRIOR) / (1 + PRIOR)))


def noise(laws: NextTokenLaws, dimension: int, rng: np.random.Generator) -> Start:
    """The unigram law and Gaussian noise, in logits of about 1."""
    contexts, types = laws.shape
    scale = dimension**-0.25
    return _with_unigram(
        laws,
        scale * rng.standard_normal((contexts, dimension - 1)),
        scale * rng.standard_normal((types, dimension - 1)),
    )


def warm(states: Numbers, head: Numbers, dimension: int, rng: np.random.Generator) -> Start:
    """A solution of fewer dimensions, with small noise in those added, so that no direction is flat."""
    wider = []
    for matrix in (states, head):
        added = rng.standard_normal((len(matrix), dimension - matrix.shape[1]))
        wider.append(np.hstack([matrix, NOISE * np.sqrt((matrix**2).mean()) * added]))
    return wider[0], wider[1]


STARTS: dict[str, Callable[[NextTokenLaws, int, np.random.Generator], Start]] = {
    "correspondence": correspondence,
    "logarithmic": logarithmic,
    "noise": noise,
}


def _from_ratio(
    laws: NextTokenLaws, dimension: int, rng: np.random.Generator, logit: Callable[[Numbers], Numbers]
) -> Start:
    share, unigram = laws.context_share, laws.unigram
    ratio = laws.joint.toarray() / share[:, None] / unigram
    weighted = logit(ratio)
    weighted -= (weighted @ unigram)[:, None]
    weighted *= np.sqrt(share)[:, None] * np.sqrt(unigram)
    left, values, right = _leading(weighted, dimension - 1, rng)
    root = np.sqrt(values)
    return _with_unigram(laws, left * root / np.sqrt(share)[:, None], right.T * root / np.sqrt(unigram)[:, None])


def _leading(matrix: Numbers, count: int, rng: np.random.Generator) -> tuple[Numbers, Numbers, Numbers]:
    if count == 0:
        return np.zeros((len(matrix), 0)), np.zeros(0), np.zeros((0, matrix.shape[1]))
    if 4 * count < min(matrix.shape):
        return svds(matrix, count, rng=rng)
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    found = min(count, len(values))
    width = ((0, 0), (0, count - found))
    return np.pad(left[:, :found], width), np.pad(values[:found], width[1]), np.pad(right[:found], width[::-1])


def _with_unigram(laws: NextTokenLaws, states: Numbers, head: Numbers) -> Start:
    logs = np.log(laws.unigram)
    return np.hstack([np.ones((len(states), 1)), states]), np.hstack([(logs - logs.mean())[:, None], head])
