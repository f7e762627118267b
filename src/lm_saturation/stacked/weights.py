"""The weights of M GPT-NeoX models of one shape as the rows of one matrix (M, P), so that an optimizer sees one tensor.

Matrices and embeddings come first, biases and LayerNorms after them, so that weight decay takes the first columns.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

EMBEDDING, HEAD = "gpt_neox.embed_in.weight", "lm_head.weight"


@dataclass(frozen=True)
class Layout:
    """Where each parameter lies in a row: its name and its shape, in order."""

    config: GPTNeoXConfig
    shapes: dict[str, torch.Size]

    @property
    def sizes(self) -> list[int]:
        """The numbers in each parameter."""
        return [math.prod(shape) for shape in self.shapes.values()]

    @property
    def parameters(self) -> int:
        """P, the parameters of one model."""
        return sum(self.sizes)

    @property
    def decayed(self) -> int:
        """How many of them, the first ones, weight decay takes."""
        return sum(math.prod(shape) for shape in self.shapes.values() if len(shape) > 1)

    def views(self, rows: Tensor) -> dict[str, Tensor]:
        """Each parameter of all models (M, *shape), by name: views of `rows` (M, P), differentiable in them."""
        parts = rows.split(self.sizes, dim=1)
        return {name: part.unflatten(1, shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}


def layout_of(model: GPTNeoXForCausalLM) -> Layout:
    """The layout of the weights of models like this one."""
    named = sorted(model.named_parameters(), key=lambda item: item[1].ndim < 2)  # stable: the order of the model else
    return Layout(model.config, {name: weight.shape for name, weight in named})


def stack(layout: Layout, models: Sequence[GPTNeoXForCausalLM]) -> Tensor:
    """(M, P) the weights of the models, float32."""
    rows = []
    for model in models:
        named = dict(model.named_parameters())
        rows.append(torch.cat([named[name].detach().flatten() for name in layout.shapes]))
    return torch.stack(rows)


@torch.no_grad()
def unstack(layout: Layout, row: Tensor, model: GPTNeoXForCausalLM) -> None:
    """Give a model the weights of one row (P,)."""
    named = dict(model.named_parameters())
    for name, part in layout.views(row[None]).items():
        named[name].copy_(part[0])
