"""The loss of logits W·h_c on next-token laws, with its exact gradient; free, or with norms inside a ball.

The variables are scaled: h_c by the root of how often context c comes, w_v by that of how often token v does. Every
direction then has a curvature of the order of 1, which a quasi-Newton method needs; rare tokens would wait otherwise.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lm_saturation.softmax_rank.laws import NextTokenLaws

Numbers = NDArray[np.float64]
CHUNK = 1 << 21  # logits at a time


def loss_and_gradients(laws: NextTokenLaws, states: Numbers, head: Numbers) -> tuple[float, Numbers, Numbers]:
    """Σ n_c/N · CE(P_c, softmax(W h_c)) in nats, and its gradients by H (C, d) and by W (V, d)."""
    joint, share, rows = laws.quick_joint, laws.context_share, max(1, CHUNK // len(head))
    by_states, by_head = -(joint @ head), -(joint.T @ states)
    loss = float(np.vdot(states, by_states))
    for start in range(0, len(states), rows):
        part = slice(start, start + rows)
        model = states[part] @ head.T
        highest = model.max(axis=1, keepdims=True)
        model -= highest
        np.exp(model, out=model)
        total = model.sum(axis=1)
        loss += float(share[part] @ (np.log(total) + highest[:, 0]))
        model *= (share[part] / total)[:, None]
        by_states[part] += model @ head
        by_head += model.T @ states[part]
    return loss, by_states, by_head


@dataclass(frozen=True)
class Problem:
    """The loss as a function of one vector, for `dimension` d; `norm_product` bounds max ‖h_c‖ · max ‖w_v‖.

    Inside a ball of radius R a vector is R·x/√(1 + ‖x‖²) of a free x, so that whatever is found keeps the bound.
    """

    laws: NextTokenLaws
    dimension: int
    norm_product: float | None = None

    @property
    def radius(self) -> float | None:
        """Of the ball of states and of that of tokens: how the bound is shared among the two changes nothing."""
        return None if self.norm_product is None else float(np.sqrt(self.norm_product))

    def parameters(self, vector: Numbers) -> tuple[Numbers, Numbers]:
        """H (C, d) and W (V, d)."""
        states, head = self._free(vector)
        return self._into_ball(states), self._into_ball(head)

    def vector(self, states: Numbers, head: Numbers) -> Numbers:
        """The vector of an H and a W, which are shrunk where they do not fit into their balls."""
        scaled = self._balanced(states, head)
        free = (self._out_of_ball(matrix) for matrix in scaled)
        return np.concatenate(
            [(matrix * scale[:, None]).ravel() for matrix, scale in zip(free, self._scales(), strict=True)]
        )

    def __call__(self, vector: Numbers) -> tuple[float, Numbers]:
        """The loss, and its gradient."""
        free = self._free(vector)
        loss, *gradients = loss_and_gradients(self.laws, *map(self._into_ball, free))
        scales = self._scales()
        pulled = (
            self._pulled_back(matrix, gradient) / scale[:, None]
            for matrix, gradient, scale in zip(free, gradients, scales, strict=True)
        )
        return loss, np.concatenate([part.ravel() for part in pulled])

    def _scales(self) -> tuple[Numbers, Numbers]:
        return np.sqrt(self.laws.context_share), np.sqrt(self.laws.unigram)

    def _free(self, vector: Numbers) -> list[Numbers]:
        cut = self.laws.shape[0] * self.dimension
        halves = vector[:cut].reshape(-1, self.dimension), vector[cut:].reshape(-1, self.dimension)
        return [half / scale[:, None] for half, scale in zip(halves, self._scales(), strict=True)]

    def _balanced(self, states: Numbers, head: Numbers) -> tuple[Numbers, Numbers]:
        """The same logits, from states and tokens whose largest norms are alike; without a bound, mean squares."""
        norms = [np.linalg.norm(matrix, axis=1) for matrix in (states, head)]
        sizes = [float(norm.max() if self.radius else np.sqrt((norm**2).mean())) or 1.0 for norm in norms]
        factor = np.sqrt(sizes[1] / sizes[0])
        return states * factor, head / factor

    def _into_ball(self, matrix: Numbers) -> Numbers:
        if self.radius is None:
            return matrix
        return self.radius * matrix / np.sqrt(1 + (matrix**2).sum(axis=1, keepdims=True))

    def _out_of_ball(self, matrix: Numbers) -> Numbers:
        """The x of a vector in the ball; one outside, or close to the edge, is put at .95 of the radius."""
        if self.radius is None:
            return matrix
        norm = np.linalg.norm(matrix, axis=1, keepdims=True)
        inside = matrix / self.radius * np.minimum(1, 0.95 * self.radius / np.maximum(norm, 1e-300))
        return inside / np.sqrt(1 - (inside**2).sum(axis=1, keepdims=True))

    def _pulled_back(self, matrix: Numbers, gradient: Numbers) -> Numbers:
        """The gradient by x, from that by R·x/√(1 + ‖x‖²)."""
        if self.radius is None:
            return gradient
        square = 1 + (matrix**2).sum(axis=1, keepdims=True)
        along = (matrix * gradient).sum(axis=1, keepdims=True)
        return self.radius * (gradient / np.sqrt(square) - matrix * along / square**1.5)
