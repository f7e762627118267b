"""Pythia's recipe (Biderman et al. 2023, arXiv 2304.01373, section 2 and appendix): how models and heads learn here.

AdamW with a short warm-up and cosine decay, as its configuration for GPT-NeoX sets them.
"""

import math
import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from transformers.utils.logging import disable_progress_bar

from scripts.common.errors import no_gpu

BETAS = (0.9, 0.95)
EPSILON = 1e-8
WEIGHT_DECAY = 0.1
CLIP = 1.0  # norm of the gradient
WARM_UP = 0.01  # share of the steps
FLOOR = 0.1  # share of the peak that the learning rate ends at


def learning_rate(update: int, updates: int, peak: float) -> float:
    """Of the `update`-th of `updates` updates, 1 the first: a line up to `peak`, then a cosine down to a tenth of it.

    GPT-NeoX counts from 0, so its first update has learning rate 0 and changes nothing: Pythia's step1 is its step0.
    Here the first update already learns.
    """
    warm = WARM_UP * updates
    if update <= warm:
        return peak * update / warm
    return peak * (FLOOR + (1 - FLOOR) / 2 * (1 + math.cos(math.pi * (update - warm) / (updates - warm))))


@dataclass(frozen=True)
class Numerics:
    """How something is trained: on `device` cpu or cuda, with matrix products in `precision`; weights are float32."""

    device: str = "cpu"
    precision: str = "float32"

    @property
    def dtype(self) -> torch.dtype:
        """Of matrix products."""
        return torch.bfloat16 if self.precision == "bfloat16" else torch.float32

    def prepare(self, threads: int, key: str = "device") -> None:
        """Set torch up for this process. Raises InputError if the config's `key` asks for a GPU and there is none."""
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        disable_progress_bar()  # one for every checkpoint written
        if self.device == "cuda":
            if not torch.cuda.is_available():
                raise no_gpu(key)
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # the same sums every time
            torch.use_deterministic_algorithms(True, warn_only=True)

    def context(self) -> AbstractContextManager[Any]:
        """Around the forward pass."""
        return torch.autocast(self.device, torch.bfloat16) if self.precision == "bfloat16" else nullcontext()
