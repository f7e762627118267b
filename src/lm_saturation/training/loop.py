"""The training loop: Pythia's recipe, with a checkpoint at given steps, from which a killed training resumes."""

import math
from typing import Protocol

import torch
from torch import Tensor
from transformers import GPTNeoXForCausalLM

from lm_saturation.errors import InputError
from lm_saturation.io.logs import log, progress
from lm_saturation.training.batch_sampler import Batches
from lm_saturation.training.head_loss import head_loss
from lm_saturation.training.recipe import BETAS, CLIP, EPSILON, WEIGHT_DECAY, Precision, learning_rate
from lm_saturation.training.resumable_run import TrainingState

LOG_ROWS = 100  # of the table `training_log`, about

LogRow = dict[str, float]


class CheckpointCallback(Protocol):
    """What is done with the model at the steps that are kept: `ResumableRun` writes it, `MeasuredRun` measures it."""

    def restore(self, steps: list[int]) -> TrainingState:
        """The state of the last of the `steps` that was kept, or an empty one (step -1)."""

    def keep(self, model: GPTNeoXForCausalLM, state: TrainingState) -> None:
        """Handle the model at one of the steps, and make `state` the one to resume from."""


def make_optimizer(model: GPTNeoXForCausalLM) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices and embeddings, none on biases and LayerNorms, as GPT-NeoX."""
    parameters = list(model.parameters())
    groups = [
        {"params": [weight for weight in parameters if weight.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [weight for weight in parameters if weight.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=BETAS, eps=EPSILON, fused=True)


def batch_loss(model: GPTNeoXForCausalLM, batch: Tensor, precision: Precision) -> Tensor:
    """Mean cross-entropy (nats/token) of `batch` (sequences, length + 1); equal to model(labels=...).loss."""
    with precision.context():
        states = model.gpt_neox(batch[:, :-1], use_cache=False).last_hidden_state.flatten(0, 1)
    head = model.lm_head.weight.to(precision.dtype)
    return head_loss(states.to(precision.dtype), head, batch[:, 1:].flatten())


def update(model: GPTNeoXForCausalLM, optimizer: torch.optim.AdamW, loss: Tensor, rate: float) -> float:
    """One update down the gradient of `loss`; returns the norm of the gradient before clipping.

    The weights stay as they are if that norm is not finite.
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
    sampler: Batches,
    steps: list[int],
    peak: float,
    precision: Precision,
    callback: CheckpointCallback,
    name: str,
) -> list[LogRow]:
    """Train the model to the last of `steps`, with the callback at each of them; returns rows of `training_log`.

    `peak` is the highest learning rate. Resumes from the last step that an earlier run kept. Raises InputError if the
    loss or its gradient is not finite.
    """
    model.train().to(torch.device(precision.device))
    optimizer, last = make_optimizer(model), steps[-1]
    state = _resume(model, optimizer, callback, steps)
    rows, kept, every = state.rows, set(steps), max(1, last // LOG_ROWS)
    for step in progress(range(max(state.step, 0), last + 1), f"training {name}", unit="step"):
        if step in kept and step > state.step:
            callback.keep(model, TrainingState(step, model.state_dict(), optimizer.state_dict(), rows))
        if step < last:
            row = _train_step(model, optimizer, sampler, step, learning_rate(step + 1, last, peak), precision)
            if not math.isfinite(row["loss_nats"] + row["gradient_norm"]):
                raise InputError(f"model {name}: the loss or its gradient is not finite at step {step}; lower its rate")
            if step % every == 0:
                rows.append(row)
    return rows


def _resume(
    model: GPTNeoXForCausalLM, optimizer: torch.optim.AdamW, callback: CheckpointCallback, steps: list[int]
) -> TrainingState:
    """The state that the callback restores, put into model and optimizer."""
    state = callback.restore(steps)
    if state.step >= 0:
        log.info("resuming from step %d", state.step)
        model.load_state_dict(state.model)
        optimizer.load_state_dict(state.optimizer)
    return state


def _train_step(
    model: GPTNeoXForCausalLM,
    optimizer: torch.optim.AdamW,
    sampler: Batches,
    step: int,
    rate: float,
    precision: Precision,
) -> LogRow:
    """The update from `step` to the next, and its row of the table `training_log`."""
    batch = torch.from_numpy(sampler.batch(step)).to(precision.device)
    loss = batch_loss(model, batch, precision)
    return {
        "step": step,
        "tokens": sampler.tokens(step),
        "loss_nats": float(loss.detach()),
        "learning_rate": rate,
        "gradient_norm": update(model, optimizer, loss, rate),
    }
