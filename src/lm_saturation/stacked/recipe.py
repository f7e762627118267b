"""How each of the stacked models is trained: what may differ between them, and AdamW with a clipped gradient for each.

But for what a recipe names, it is Pythia's (lm_saturation.training.recipe).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lm_saturation.stacked.weights import Layout
from lm_saturation.training.recipe import BETAS, CLIP, EPSILON, WARM_UP_SHARE, WEIGHT_DECAY, learning_rate

TINY = 1e-6  # that torch.nn.utils.clip_grad_norm_ adds to a norm


@dataclass(frozen=True)
class Recipe:
    """What may differ between models that are trained at once."""

    learning_rate: float  # peak
    schedule: str = "cosine"  # after the warm-up: cosine, to a tenth of the peak; or constant
    weight_decay: float = WEIGHT_DECAY
    precision: str = "float32"  # of logits: float32 or bfloat16
    seed: int = 0  # of weights and text order

    def rate(self, update: int, updates: int) -> float:
        """The learning rate of an `update`, counted from 1."""
        if self.schedule == "cosine":
            return learning_rate(update, updates, self.learning_rate)
        return self.learning_rate * min(1.0, update / (WARM_UP_SHARE * updates))


class StackedAdamW:
    """AdamW on weights (M, P): weight decay on matrices and embeddings, gradients clipped for each model.

    A model whose gradient is not finite keeps its weights and moments, as in lm_saturation.training.loop.update.
    """

    def __init__(self, layout: Layout, weights: Tensor, recipes: Sequence[Recipe]) -> None:
        self.layout, self.weights, self.recipes = layout, weights, recipes
        self.means, self.squares = torch.zeros_like(weights), torch.zeros_like(weights)
        self.updates = torch.zeros(len(weights), dtype=torch.float64)  # that each model has had
        self.decays = torch.tensor([recipe.weight_decay for recipe in recipes], dtype=torch.float64)

    @torch.no_grad()
    def step(self, gradient: Tensor, rates: Tensor) -> Tensor:
        """One update with learning rates (M,), float64; returns the norms (M,) of the gradients before clipping.

        `gradient` (M, P) is changed.
        """
        norms = torch.linalg.vector_norm(gradient, dim=1)
        finite = torch.isfinite(norms)
        kept = None if bool(finite.all()) else (~finite, *self._rows(~finite))
        gradient.mul_((CLIP / (norms + TINY)).clamp(max=1.0)[:, None])
        self.updates += finite
        self._update(gradient, rates)
        if kept:
            places, weights, means, squares = kept
            self.weights[places], self.means[places], self.squares[places] = weights, means, squares
        return norms

    def _update(self, gradient: Tensor, rates: Tensor) -> None:
        first, second = BETAS
        decay = (1 - rates * self.decays).float()
        self.weights[:, : self.layout.decayed].mul_(decay[:, None])
        self.means.lerp_(gradient, 1 - first)
        self.squares.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        counts = self.updates.clamp(min=1)
        size = (rates / (1 - first**counts)).float()
        root = (1 - second**counts).sqrt().float()
        torch.sqrt(self.squares, out=gradient)
        gradient.div_(root[:, None]).add_(EPSILON)
        torch.div(self.means, gradient, out=gradient)
        self.weights.sub_(gradient.mul_(size[:, None]))

    def _rows(self, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.weights[places], self.means[places], self.squares[places]


def rates(recipes: Sequence[Recipe], update: int, updates: int) -> Tensor:
    """(M,) the learning rates of an `update`, counted from 1."""
    return torch.tensor([recipe.rate(update, updates) for recipe in recipes], dtype=torch.float64)
