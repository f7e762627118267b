"""Measure a model in the midst of its training and leave no trace: mode, buffers, random states, wrappers."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from lm_saturation.in_memory import evaluated
from lm_saturation.inference.trunk import replaced_forwards
from lm_saturation.probing.split_models import check_not_split


def unwrapped(model: Any) -> Any:
    """The model inside what trainings put around it: torch.compile, DataParallel, DistributedDataParallel.

    Raises InputError if its parameters are split over processes, so that this one cannot run it alone.
    """
    while inner := getattr(model, "_orig_mod", None) or _inside_parallel(model):
        model = inner
    check_not_split(model)
    return model


def _inside_parallel(model: Any) -> Any:
    kinds = (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)
    return model.module if isinstance(model, kinds) else None


@contextmanager
def unchanged(model: Any) -> Iterator[None]:
    """Run the body in evaluation mode, in the model's own type, and put everything back.

    What is put back: each module's mode, its buffers, the random states of Python, NumPy and PyTorch, and the
    forward that accelerate puts in place of the model's for mixed precision. Weights and gradients are not touched.
    """
    own, arrays = random.getstate(), np.random.get_state()  # noqa: NPY002
    buffers = [(module, dict(module._buffers)) for module in model.modules()]
    kept = [(tensor, tensor.clone()) for _, held in buffers for tensor in held.values() if tensor is not None]
    device = next(model.parameters()).device
    try:
        with (
            torch.random.fork_rng([device] if device.type == "cuda" else []),
            torch.autocast(device.type, enabled=False),
            replaced_forwards([(model, type(model).forward.__get__(model))]),
            _not_compiled(model),
            evaluated(model),
        ):
            yield
    finally:
        random.setstate(own)
        np.random.set_state(arrays)  # noqa: NPY002
        with torch.no_grad():
            for module, held in buffers:
                module._buffers.update(held)
            for tensor, before in kept:
                if not torch.equal(tensor, before):
                    tensor.copy_(before)


@contextmanager
def _not_compiled(model: Any) -> Iterator[None]:
    """Run modules as they are written: `model.compile()` put a call in place of each, which would be compiled anew."""
    compiled = [(module, call) for module in model.modules() if (call := module._compiled_call_impl) is not None]
    try:
        for module, _ in compiled:
            module._compiled_call_impl = None
        yield
    finally:
        for module, call in compiled:
            module._compiled_call_impl = call
