"""Sensitivity to weight noise: how much the loss grows when every weight matrix W becomes W + ε ‖W‖_F/√(size of W) · N.

N is Gaussian, so that the noise has ε times the norm of each matrix; it is drawn once, the same for every checkpoint of
a model. Vectors (biases, norms) stay. arXiv 2503.19206 finds that models grow more sensitive the longer they train; its
noise is scaled by the matrices' size at their initialisation, which a checkpoint does not tell.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from lm_saturation.inference.trunk import trunk_states
from lm_saturation.metrics.cross_entropy import target_losses
from lm_saturation.metrics.registry import metric
from lm_saturation.metrics.removed_directions import TOKENS

if TYPE_CHECKING:
    from lm_saturation.metrics.forward_pass import ForwardPass


@contextmanager
def noisy_weights(model: Any, size: float, seed: int) -> Iterator[None]:
    """Add noise of relative `size` to every weight matrix for a while, tied ones once; then all are as they were.

    The numbers are drawn on the CPU, so that a GPU gives the same. The weights are kept in main memory meanwhile.
    """
    random = torch.Generator().manual_seed(seed)
    matrices = [parameter.data for parameter in model.parameters() if parameter.ndim > 1]
    kept: list[torch.Tensor] = []
    try:
        for matrix in matrices:
            kept.append(matrix.to("cpu", copy=True))
            noise = torch.randn(matrix.shape, generator=random).to(matrix.device)
            exact = matrix.float()
            scale = size * float(exact.double().square().mean().sqrt())
            matrix.copy_(exact + scale * noise)
        yield
    finally:
        for matrix, before in zip(matrices, kept, strict=False):
            matrix.copy_(before)


@metric
def columns(forward: "ForwardPass") -> dict[str, float | None]:
    """On the first sequences, at least TOKENS predicted tokens of them, if asked for; empty if not finite."""
    spec, model = forward.spec, forward.model
    if spec.weight_noise is None:
        return {"loss_increase_weight_noise": None}
    number = -(-TOKENS // spec.sample.targets.shape[1])
    inputs, targets = (
        torch.from_numpy(ids[:number]).to(model.device) for ids in (spec.sample.inputs, spec.sample.targets)
    )
    with noisy_weights(model, spec.weight_noise, spec.seed):
        states = trunk_states(model, inputs, spec.batch_size)[:, spec.sample.skip :]
        noisy = target_losses(model, states.flatten(0, 1), targets.flatten())
    increase = float(noisy.double().mean()) - float(forward.losses[:number].mean())
    return {"loss_increase_weight_noise": increase if math.isfinite(increase) else None}
