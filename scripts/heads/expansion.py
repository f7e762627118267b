"""How the loss changes as a head moves: Lemma 5.1 of arXiv 2404.07647, and what is missing from it.

    L(W + εM) = L(W) + ε⟨∇L(W), M⟩ + ε²/2 mean Var_p(M x) + O(ε³),   ∇L(W) = mean (p − e_y) xᵀ

The lemma's O(ε) is the first-order term. Summed over a sample it is 0 where W is the sample's optimum, so there the
change is O(ε²). docs/method.md has the derivation. Here: random problems, small enough for an exact optimum.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """A sample: hidden states (n, d) and next tokens (n,) of a vocabulary of `size`."""

    states: Array
    next_tokens: NDArray[np.int64]
    size: int

    def loss(self, head: Array) -> float:
        """Mean cross-entropy in nats of a head (V, d)."""
        return float(-log_softmax(self.states @ head.T, 1)[np.arange(len(self.states)), self.next_tokens].mean())

    def gradient(self, head: Array) -> Array:
        """∇L, (V, d)."""
        residual = softmax(self.states @ head.T, 1)
        residual[np.arange(len(self.states)), self.next_tokens] -= 1
        return residual.T @ self.states / len(self.states)

    def hessian(self, head: Array) -> Array:
        """(V d, V d), by the rows of W one after the other."""
        probability = softmax(self.states @ head.T, 1)
        outer = np.einsum("ni,nj->nij", self.states, self.states)
        blocks = -np.einsum("na,nb,nij->aibj", probability, probability, outer, optimize=True)
        own = np.einsum("na,nij->aij", probability, outer, optimize=True)
        for token in range(self.size):
            blocks[token, :, token] += own[token]
        return blocks.reshape(head.size, head.size) / len(self.states)


def random_problem(rng: np.random.Generator, states: int, size: int, width: int) -> tuple[Problem, Array]:
    """A problem whose tokens are drawn from a random head (V, d), and another random head."""
    given = rng.standard_normal((states, width))
    truth, other = rng.standard_normal((2, size, width)) / np.sqrt(width)
    drawn = (given @ truth.T + rng.gumbel(size=(states, size))).argmax(1)
    return Problem(given, drawn, size), other


def optimum(problem: Problem, head: Array, iterations: int = 100) -> Array:
    """The least-loss head by Newton's method with halved steps; of the many, for W + 1uᵀ is the same, the nearest."""
    for _ in range(iterations):
        gradient = problem.gradient(head)
        if np.abs(gradient).max() < 1e-13:
            break
        step = -(np.linalg.pinv(problem.hessian(head), rcond=1e-10) @ gradient.ravel()).reshape(head.shape)
        length = 1.0
        while length > 1e-4 and problem.loss(head + length * step) > problem.loss(head):
            length /= 2
        head = head + length * step
    return head


def order(epsilons: Array, changes: Array) -> float:
    """The k of |change| ∝ ε^k, by least squares on logarithms."""
    return float(np.polyfit(np.log(epsilons), np.log(np.abs(changes)), 1)[0])
