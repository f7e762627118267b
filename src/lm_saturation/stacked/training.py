"""Training of stacked models: one update of all at a time, each on its own batch."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from lm_saturation.stacked.head import stacked_loss
from lm_saturation.stacked.recipe import Recipe, StackedAdamW, rates
from lm_saturation.stacked.trunk import rotary, trunk_states
from lm_saturation.stacked.weights import HEAD, Layout
from lm_saturation.training.batch_sampler import Batches

BFLOAT16 = "bfloat16"
Callback = Callable[[int, Tensor], None]  # of a step and the weights (M, P) after it


class StackedTraining:
    """M models of one shape, at weights (M, P), and the state of their training, on the CPU.

    `samplers` give each model its batches, all of one size.
    """

    def __init__(
        self, layout: Layout, weights: Tensor, recipes: Sequence[Recipe], samplers: Sequence[Batches], updates: int
    ) -> None:
        self.layout, self.recipes, self.samplers, self.updates = layout, recipes, samplers, updates
        self.weights = weights.requires_grad_()
        self.optimizer = StackedAdamW(layout, self.weights.detach(), recipes)
        self.rounded = [recipe.precision == BFLOAT16 for recipe in recipes]
        self.skipped = torch.zeros(len(weights), dtype=torch.int64)  # updates left out: a gradient not finite

    def loss(self, batch: Tensor) -> Tensor:
        """(M,) mean cross-entropies (nats/token) of batches (M, sequences, length + 1), differentiable."""
        views = self.layout.views(self.weights)
        turn = rotary(self.layout, batch.shape[-1] - 1)
        states = trunk_states(self.layout, views, batch[..., :-1], turn)
        return stacked_loss(states, views[HEAD], batch[..., 1:].flatten(1), self.rounded)

    def update(self, step: int) -> tuple[Tensor, Tensor]:
        """The update from `step` to the next; returns losses (M,) and norms (M,) of gradients before clipping."""
        batch = torch.from_numpy(np.stack([sampler.batch(step) for sampler in self.samplers]))
        losses = self.loss(batch)
        (gradient,) = torch.autograd.grad(losses.sum(), self.weights)
        norms = self.optimizer.step(gradient, rates(self.recipes, step + 1, self.updates))
        self.skipped += ~torch.isfinite(norms)
        return losses.detach(), norms

    def run(self, steps: Sequence[int], callback: Callback) -> None:
        """Train to the last update, with the callback at each of the `steps`."""
        kept = set(steps)
        for step in range(self.updates + 1):
            if step in kept:
                callback(step, self.weights.detach())
            if step < self.updates:
                self.update(step)
