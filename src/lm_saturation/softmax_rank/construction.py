"""A head that needs no search: tokens on the trigonometric moment curve, where every k of them are a face.

Token v stands at (cos t, sin t, ..., cos kt, sin kt) with an angle t of its own. For tokens S, at most k, the
polynomial Π_{s in S} (1 − cos(t − t_s)) has degree at most k, is 0 on S and above 0 elsewhere: minus its coefficients,
scaled up, are a state whose softmax falls on S alone. Within S any probabilities can be had, because trigonometric
polynomials of degree k take any values at 2k + 1 points (a Haar system). So with growing norms 2k dimensions express
every law of at most k tokens (Gale 1963, neighbourly polytopes; k = 1 is the circle). One dimension more holds the
logarithms of one law for all contexts with more successors, which cost what they differ from it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lm_saturation.softmax_rank.laws import NextTokenLaws

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class ConstructedGaps:
    """Gap in nats of the construction with k tokens a face, at d = 2k + 1: `dimension` (n,) rising, `gap_nats` (n,)."""

    dimension: NDArray[np.int64]
    gap_nats: Numbers

    def dimension_at(self, gap_nats: float) -> int:
        """The least d that certainly suffices for this gap."""
        return int(self.dimension[np.argmax(self.gap_nats <= gap_nats)])


def constructed_gaps(laws: NextTokenLaws) -> ConstructedGaps:
    """The gaps at d = 1, and wherever k reaches the number of successors of some context; 0 at the last."""
    order = np.argsort(-laws.support, kind="stable")
    support = laws.support[order]
    joint = laws.joint[order]
    pooled = np.zeros(laws.shape[1])
    gaps = {int(support[0]): 0.0}
    entropy = np.append(0.0, np.cumsum(laws.context_entropy[order]))
    ends = np.append(
        np.flatnonzero(np.diff(support)) + 1, len(support)
    )  # contexts with more than k successors come first
    for begin, end in zip(np.append(0, ends[:-1]), ends, strict=True):
        pooled += np.asarray(joint[begin:end].sum(axis=0))
        k = int(support[end]) if end < len(support) else 0
        gaps[k] = max(0.0, _pooled_cross_entropy(pooled) - entropy[end])
    supports = np.array(sorted(gaps))
    return ConstructedGaps(2 * supports + 1, np.array([gaps[k] for k in supports]))


def _pooled_cross_entropy(pooled: Numbers) -> float:
    """Of contexts of which `pooled` (V,) is the sum, with their pooled law; weighted by how often they come."""
    seen = pooled[pooled > 0]
    return float(-(seen @ np.log(seen / seen.sum())))


def moment_curve(types: int, k: int) -> Numbers:
    """(V, 2k) the tokens' places, at equal angles."""
    angles = 2 * np.pi * np.arange(types)[:, None] / types * np.arange(1, k + 1)
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1).reshape(types, 2 * k)


def face_state(head: Numbers, law: Numbers, scale: float) -> Numbers:
    """The state (2k,) whose softmax on `head`, a moment curve (V, 2k), comes close to a law (V,) of at most k tokens.

    The larger `scale`, the closer.
    """
    types = len(head)
    seen = np.flatnonzero(law)
    angles = 2 * np.pi * np.arange(types) / types
    zero_on_seen = np.prod([1 - np.cos(angles - angles[s]) for s in seen], axis=0)
    zero_on_seen /= zero_on_seen[law == 0].min()
    basis = np.hstack([np.ones((types, 1)), head])
    away = np.linalg.lstsq(basis, zero_on_seen, rcond=None)[0][1:]
    within = np.linalg.lstsq(basis[seen], np.log(law[seen]), rcond=None)[0][1:]
    return within - scale * away
