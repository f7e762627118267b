"""How the loss changes as an LM head moves: Lemma 5.1 of arXiv 2404.07647, and the term that it leaves out.

    L(W + εM) = L(W) + ε⟨∇L(W), M⟩ + ε²/2 mean Var_p(M x) + O(ε³),   ∇L(W) = mean (p − e_y) xᵀ

The lemma's O(ε) is the first-order term. Summed over a sample it is 0 where W is the sample's optimum, so there the
change is O(ε²). docs/method/heads.md has the derivation. Here: random problems, small enough for an exact optimum.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from lm_saturation.io.logs import progress
from lm_saturation.statistics.intervals import interval, resampled_means

CASES = 40  # random problems
STATES, VOCABULARY, WIDTH = 400, 8, 4  # of each problem
EPSILONS = np.geomspace(1e-4, 1e-2, 9)
CASE_SEED = 0

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
        """(V d, V d), in the order of W's rows."""
        probability = softmax(self.states @ head.T, 1)
        outer = np.einsum("ni,nj->nij", self.states, self.states)
        blocks = -np.einsum("na,nb,nij->aibj", probability, probability, outer, optimize=True)
        diagonal = np.einsum("na,nij->aij", probability, outer, optimize=True)
        for token in range(self.size):
            blocks[token, :, token] += diagonal[token]
        return blocks.reshape(head.size, head.size) / len(self.states)


def random_problem(rng: np.random.Generator, states: int, size: int, width: int) -> tuple[Problem, Array]:
    """A problem whose tokens are drawn from a random head (V, d), and another random head."""
    inputs = rng.standard_normal((states, width))
    truth, other = rng.standard_normal((2, size, width)) / np.sqrt(width)
    next_tokens = (inputs @ truth.T + rng.gumbel(size=(states, size))).argmax(1)
    return Problem(inputs, next_tokens, size), other


def optimum(problem: Problem, head: Array, iterations: int = 100) -> Array:
    """The head of lowest loss, by Newton's method with halved steps from `head` (V, d).

    W + 1uᵀ has the same loss for every u: of these optima, the nearest.
    """
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


def expansion_rows(cases: int = CASES) -> list[dict[str, Any]]:
    """The rows of `loss_expansion`: each case, each place (`random` head or `optimum`) and each ε."""
    rows = []
    for case in progress(range(cases), "cases"):
        rng = np.random.default_rng([CASE_SEED, case])
        problem, head = random_problem(rng, STATES, VOCABULARY, WIDTH)
        direction = rng.standard_normal(head.shape)
        direction /= np.linalg.norm(direction)
        for place, origin in (("random", head), ("optimum", optimum(problem, head))):
            rows += [{"place": place, "case": case, **change} for change in _changes(problem, origin, direction)]
    return rows


def _changes(problem: Problem, head: Array, direction: Array) -> Iterator[dict[str, float]]:
    """How the loss of a head (V, d) changes when it moves by each ε in a direction (V, d) of norm 1."""
    slope, loss = float((problem.gradient(head) * direction).sum()), problem.loss(head)
    for epsilon in EPSILONS.tolist():
        change, first = problem.loss(head + epsilon * direction) - loss, epsilon * slope
        yield {"epsilon": epsilon, "change_nats": change, "first_order": first, "remainder_nats": change - first}


def order_rows(changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of `loss_expansion_orders`: orders of the change, and of what is left without its first-order term."""
    rows = []
    for place, part in pd.DataFrame(changes).groupby("place", sort=False):
        for quantity in ("change_nats", "remainder_nats"):
            orders = np.array([order(case.epsilon, case[quantity]) for _, case in part.groupby("case")])
            low, high = interval(resampled_means(orders))
            rows.append(
                {
                    "place": str(place),
                    "quantity": quantity.removesuffix("_nats"),
                    "cases": len(orders),
                    "order": orders.mean(),
                    "order_low": low,
                    "order_high": high,
                    "largest_first_order": (part.first_order / part.epsilon).abs().max(),
                }
            )
    return rows
