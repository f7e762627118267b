"""Small transformers whose contexts are one token, many at once: GPT-NeoX's arithmetic at sequence length 1.

Attention to a single token is a product of two matrices, and rotary embeddings at position 0 change nothing, so any
width is possible. Models are stacked along the first axis of every weight; Adam treats each entry alone, so that each
is trained as if alone. All contexts are one batch, weighted by how often they come, with their laws as targets: no
gradient has noise, and no loss one of sampling. No weight decays: that would be a cost of its own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import gelu, layer_norm

from lm_saturation.training.gpt_neox import initial_deviations
from lm_saturation.training.recipe import BETAS, EPSILON, learning_rate

Weights = dict[str, Tensor]
LAST = 0.1  # share of the updates whose gain is reported


@dataclass(frozen=True)
class Shape:
    """Of one model: C `contexts` come in, V `types` go out."""

    contexts: int
    types: int
    width: int
    layers: int


def initial_weights(shape: Shape, seeds: Sequence[int]) -> Weights:
    """Pythia's initialisation of a model a seed, stacked: every weight (models, rows, columns), float32."""
    small, wang = initial_deviations(shape.width, shape.layers)
    stacks: dict[str, list[Tensor]] = {}
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        for name, (rows, columns) in _sizes(shape).items():
            if rows == 1:
                weight = torch.full((rows, columns), 1.0 if name.endswith("gain") else 0.0)
            else:
                deviation = wang if name.endswith(("output", "down")) else small
                weight = torch.empty(rows, columns).normal_(0.0, deviation, generator=generator)
            stacks.setdefault(name, []).append(weight)
    return {name: torch.stack(weights) for name, weights in stacks.items()}


def _sizes(shape: Shape) -> dict[str, tuple[int, int]]:
    d = shape.width
    layer = {
        **{f"{norm}_{part}": (1, d) for norm in ("attention", "mlp") for part in ("gain", "shift")},
        "value": (d, d),
        "value_bias": (1, d),
        "output": (d, d),
        "output_bias": (1, d),
        "up": (d, 4 * d),
        "up_bias": (1, 4 * d),
        "down": (4 * d, d),
        "down_bias": (1, d),
    }
    layers = {f"{i}.{name}": size for i in range(shape.layers) for name, size in layer.items()}
    ends = {"last_gain": (1, d), "last_shift": (1, d), "head": (d, shape.types)}
    return {"embedding": (shape.contexts, d), **layers, **ends}


def hidden_states(weights: Weights) -> Tensor:
    """(models, C, d) what the heads read."""
    x = weights["embedding"]
    for i in range(sum(name.endswith(".up") for name in weights)):
        layer = {name.split(".")[1]: weight for name, weight in weights.items() if name.startswith(f"{i}.")}
        seen = _normalised(x, layer["attention_gain"], layer["attention_shift"])
        attended = (seen @ layer["value"] + layer["value_bias"]) @ layer["output"] + layer["output_bias"]
        seen = _normalised(x, layer["mlp_gain"], layer["mlp_shift"])
        x = x + attended + gelu(seen @ layer["up"] + layer["up_bias"]) @ layer["down"] + layer["down_bias"]
    return _normalised(x, weights["last_gain"], weights["last_shift"])


def _normalised(x: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
    return layer_norm(x, x.shape[-1:], eps=1e-5) * gain + shift


def losses(weights: Weights, joint: Tensor) -> Tensor:
    """(models,) Σ n_c/N · CE(P_c, model), nats, on `joint` (models, C, V), which holds n_c/N · P_c."""
    logits = hidden_states(weights) @ weights["head"]
    return (joint.sum(2) * logits.logsumexp(2)).sum(1) - (joint * logits).sum((1, 2))


def train(weights: Weights, joint: Tensor, steps: int, peak: float) -> tuple[Weights, Tensor]:
    """Train copies of models by Pythia's schedule; returns them, and what the last tenth of the updates gained each."""
    trained = {name: weight.clone().requires_grad_() for name, weight in weights.items()}
    optimizer = torch.optim.AdamW(trained.values(), lr=0.0, betas=BETAS, eps=EPSILON, weight_decay=0.0, fused=True)
    late = steps - math.ceil(LAST * steps)
    for step in range(steps):
        loss = losses(trained, joint)
        if step == late:
            before = loss.detach()
        optimizer.param_groups[0]["lr"] = learning_rate(step + 1, steps, peak)
        optimizer.zero_grad()
        loss.sum().backward()
        optimizer.step()
    with torch.no_grad():
        gained = before - losses(trained, joint)
    return {name: weight.detach() for name, weight in trained.items()}, gained
