"""Pythia's training recipe (Biderman et al. 2023, arXiv 2304.01373, section 2 and appendix), for models and LM heads.

AdamW with a short warm-up and cosine decay, as its configuration for GPT-NeoX sets them.
"""

import math
import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from transformers.utils.logging import disable_progress_bar

from lm_saturation.devices import find_device

BETAS = (0.9, 0.95)
EPSILON = 1e-8
WEIGHT_DECAY = 0.1
CLIP = 1.0  # maximum norm of the gradient
WARM_UP_SHARE = 0.01  # of the updates
FINAL_SHARE = 0.1  # of the peak learning rate, at the end


def learning_rate(update: int, updates: int, peak: float) -> float:
    """The learning rate of an `update`, counted from 1: linear warm-up to `peak`, then cosine decay to a tenth of it.

    GPT-NeoX counts from 0, so its first update has learning rate 0 and changes nothing: Pythia's step1 is its step0.
    Here the first update changes the weights.
    """
    warm = WARM_UP_SHARE * updates
    if update <= warm:
        return peak * update / warm
    cosine = math.cos(math.pi * (update - warm) / (updates - warm))
    return peak * (FINAL_SHARE + (1 - FINAL_SHARE) / 2 * (1 + cosine))


@dataclass(frozen=True)
class Precision:
    """Device (cpu or cuda) and precision of the matrix products (float32 or bfloat16); weights are float32."""

    device: str = "cpu"
    precision: str = "float32"

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of matrix products."""
        return torch.bfloat16 if self.precision == "bfloat16" else torch.float32

    def prepare(self, threads: int, key: str = "device") -> None:
        """Set torch up for this process. Raises InputError if the config's `key` asks for a GPU and there is none."""
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        disable_progress_bar()  # transformers shows one per checkpoint that it writes
        if find_device(self.device, key) == "cuda":
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # the same sums every time
            torch.use_deterministic_algorithms(True, warn_only=True)

    def context(self) -> AbstractContextManager[Any]:
        """The context of the forward pass."""
        return torch.autocast(self.device, torch.bfloat16) if self.precision == "bfloat16" else nullcontext()
