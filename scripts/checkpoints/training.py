"""Pythia's recipe (Biderman et al. 2023, arXiv 2304.01373, section 2 and appendix): how a model of `train` learns.

AdamW with cosine decay and a short warm-up, as its configuration for GPT-NeoX sets them; checkpoints at given steps.
"""

import math
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import GPTNeoXForCausalLM
from transformers.utils.logging import disable_progress_bar

from scripts.checkpoints.head_loss import head_loss
from scripts.checkpoints.unfinished import State, Unfinished
from scripts.checkpoints.windows import Windows
from scripts.common.jobs import InputError, log, progress

BETAS = (0.9, 0.95)
EPSILON = 1e-8
WEIGHT_DECAY = 0.1
CLIP = 1.0  # norm of the gradient
WARM_UP = 0.01  # share of the steps
FLOOR = 0.1  # share of the peak that the learning rate ends at
LOGGED = 100  # rows of the log, about


def learning_rate(update: int, updates: int, peak: float) -> float:
    """Of the `update`-th of `updates` updates, 1 the first: a line up to `peak`, then a cosine down to a tenth of it.

    GPT-NeoX counts from 0, so its first update has learning rate 0 and changes nothing: Pythia's step1 is its step0.
    Here the first update already learns.
    """
    warm = WARM_UP * updates
    if update <= warm:
        return peak * update / warm
    return peak * (FLOOR + (1 - FLOOR) / 2 * (1 + math.cos(math.pi * (update - warm) / (updates - warm))))


def make_optimizer(model: GPTNeoXForCausalLM) -> torch.optim.AdamW:
    """Adam with decoupled weight decay on matrices and embeddings, none on biases and LayerNorms, as GPT-NeoX."""
    parameters = list(model.parameters())
    groups = [
        {"params": [one for one in parameters if one.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [one for one in parameters if one.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=BETAS, eps=EPSILON, fused=True)


@dataclass(frozen=True)
class Numerics:
    """How a model is trained: on `device` cpu or cuda, with matrix products in `precision`; weights are float32."""

    device: str = "cpu"
    precision: str = "float32"

    def prepare(self, threads: int) -> None:
        """Set torch up for this process. Raises InputError if a GPU is asked for and there is none."""
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        disable_progress_bar()  # one for every checkpoint written
        if self.device == "cuda":
            if not torch.cuda.is_available():
                raise InputError("device is cuda, and torch sees no GPU: allowed are cpu, or cuda where there is one")
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # the same sums every time
            torch.use_deterministic_algorithms(True, warn_only=True)

    def context(self) -> AbstractContextManager[Any]:
        """Around the forward pass."""
        return torch.autocast(self.device, torch.bfloat16) if self.precision == "bfloat16" else nullcontext()


def batch_loss(model: GPTNeoXForCausalLM, batch: Tensor, numerics: Numerics) -> Tensor:
    """Mean cross-entropy, nats a token, of `batch` (sequences, length + 1); equal to model(labels=...).loss."""
    with numerics.context():
        states = model.gpt_neox(batch[:, :-1], use_cache=False).last_hidden_state.flatten(0, 1)
    head, dtype = model.lm_head.weight, getattr(torch, numerics.precision)
    return head_loss(states.to(dtype), head.to(dtype), batch[:, 1:].flatten())


def update(model: GPTNeoXForCausalLM, optimizer: torch.optim.AdamW, loss: Tensor, rate: float) -> float:
    """One step down the gradient of `loss`; gives the norm of the gradient before it was clipped.

    Nothing is changed if that norm is not finite.
    """
    optimizer.zero_grad()
    loss.backward()
    norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP, foreach=True))
    if math.isfinite(norm):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
    return norm


def train(
    model: GPTNeoXForCausalLM,
    windows: Windows,
    steps: list[int],
    peak: float,
    numerics: Numerics,
    unfinished: Unfinished,
    name: str,
) -> list[dict[str, float]]:
    """Train to the last of `steps`, keep a checkpoint at each of them, and give the rows of the table `training_log`.

    Goes on from the last checkpoint that an earlier run kept. Raises InputError if the loss is no longer finite.
    """
    model.train().to(torch.device(numerics.device))
    optimizer, state = make_optimizer(model), unfinished.restore(steps)
    if state.step >= 0:
        log.info("going on from step %d", state.step)
        model.load_state_dict(state.model)
        optimizer.load_state_dict(state.optimizer)
    kept, rows, every = set(steps), state.rows, max(1, steps[-1] // LOGGED)
    for step in _steps(state.step, steps[-1], name):
        if step in kept and step > state.step:
            unfinished.keep(model, State(step, model.state_dict(), optimizer.state_dict(), rows))
        if step == steps[-1]:
            break
        loss = batch_loss(model, torch.from_numpy(windows.batch(step)).to(numerics.device), numerics)
        rate = learning_rate(step + 1, steps[-1], peak)
        row = {
            "step": step,
            "tokens": step * windows.batch_size * windows.length,
            "loss_nats": float(loss.detach()),
            "learning_rate": rate,
            "gradient_norm": update(model, optimizer, loss, rate),
        }
        if not math.isfinite(row["loss_nats"] + row["gradient_norm"]):
            raise InputError(f"model {name}: the loss or its gradient is not finite at step {step}; lower its rate")
        if step % every == 0:
            rows.append(row)
    return rows


def _steps(done: int, last: int, name: str) -> Iterator[int]:
    """The steps from the one `done` to the `last`, with progress in the log."""
    return progress(range(max(done, 0), last + 1), f"training {name}", unit="step")
