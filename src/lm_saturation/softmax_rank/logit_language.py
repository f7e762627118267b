"""Next-token laws whose logits have a known rank: where the gap must vanish, and where it must not.

P_c = softmax(W h_c) with Gaussian H (C, r) and W (V, r). A softmax does not see what is added to all logits of a row:
the rank that counts is the least over such shifts, that of the logits with the mean of every row removed.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from lm_saturation.softmax_rank.laws import NextTokenLaws

Numbers = NDArray[np.float64]


def logit_language(contexts: int, types: int, rank: int, seed: int, deviation: float = 2.0) -> NextTokenLaws:
    """Laws of logit rank `rank`; logits have this standard deviation, contexts come by Zipf's law.

    Raises ValueError if the rank is not between 1 and both contexts and types less one.
    """
    highest = min(contexts, types - 1)
    if not 1 <= rank <= highest:
        raise ValueError(f"rank is {rank}; with {contexts} contexts and {types} tokens it can be 1 to {highest}")
    rng = np.random.default_rng([seed, rank])
    logits = rng.standard_normal((contexts, rank)) @ rng.standard_normal((rank, types)) / np.sqrt(rank) * deviation
    laws = np.exp(logits - logits.max(axis=1, keepdims=True))
    laws /= laws.sum(axis=1, keepdims=True)
    return NextTokenLaws.of_counts(csr_array(laws / np.arange(1, contexts + 1)[:, None]))


def logit_rank(laws: NextTokenLaws) -> int:
    """The least d that expresses laws without a zero exactly."""
    logs = np.log(laws.joint.toarray())
    return int(np.linalg.matrix_rank(logs - logs.mean(axis=1, keepdims=True), tol=1e-6))
