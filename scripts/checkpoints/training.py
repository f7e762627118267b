"""How a model of `train` learns: Pythia's recipe, with checkpoints at given steps."""

import math
from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor
from transformers import GPTNeoXForCausalLM

from scripts.checkpoints.unfinished import State
from scripts.common.head_loss import head_loss
from scripts.common.jobs import InputError, log, progress
from scripts.common.recipe import BETAS, CLIP, EPSILON, WEIGHT_DECAY, Numerics, learning_rate
from scripts.common.windows import Windows

LOGGED = 100  # rows of the log, about


class Keeper(Protocol):
    """What becomes of a model at the steps that are kept, and where a training goes on from: `Unfinished` is one."""

    def restore(self, steps: list[int]) -> State:
        """The state to go on from: that of the last of the `steps` that was kept, or an empty one (step -1)."""

    def keep(self, model: GPTNeoXForCausalLM, state: State) -> None:
        """Do what is to be done with the model at one of the steps, and make it the state to go on from."""


def make_optimizer(model: GPTNeoXForCausalLM) -> torch.optim.AdamW:
    """Adam with decoupled weight decay on matrices and embeddings, none on biases and LayerNorms, as GPT-NeoX."""
    parameters = list(model.parameters())
    groups = [
        {"params": [one for one in parameters if one.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [one for one in parameters if one.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=BETAS, eps=EPSILON, fused=True)


def batch_loss(model: GPTNeoXForCausalLM, batch: Tensor, numerics: Numerics) -> Tensor:
    """Mean cross-entropy, nats a token, of `batch` (sequences, length + 1); equal to model(labels=...).loss."""
    with numerics.context():
        states = model.gpt_neox(batch[:, :-1], use_cache=False).last_hidden_state.flatten(0, 1)
    head = model.lm_head.weight.to(numerics.dtype)
    return head_loss(states.to(numerics.dtype), head, batch[:, 1:].flatten())


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
    keeper: Keeper,
    name: str,
) -> list[dict[str, float]]:
    """Train to the last of `steps`, keep the model at each of them, and give the rows of the table `training_log`.

    Goes on from the last step that an earlier run kept. Raises InputError if the loss is no longer finite.
    """
    model.train().to(torch.device(numerics.device))
    optimizer, state = make_optimizer(model), keeper.restore(steps)
    if state.step >= 0:
        log.info("going on from step %d", state.step)
        model.load_state_dict(state.model)
        optimizer.load_state_dict(state.optimizer)
    kept, rows, every = set(steps), state.rows, max(1, steps[-1] // LOGGED)
    for step in _steps(state.step, steps[-1], name):
        if step in kept and step > state.step:
            keeper.keep(model, State(step, model.state_dict(), optimizer.state_dict(), rows))
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
