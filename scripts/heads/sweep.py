"""Train many heads at once on the hidden states of one frozen trunk, which runs once a batch.

Each head has its own gradient, clipping, optimizer and learning rate, by Pythia's recipe: it learns what it would
learn alone.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from scripts.common.jobs import ProgressBar, log
from scripts.common.recipe import BETAS, CLIP, EPSILON, WEIGHT_DECAY, learning_rate
from scripts.common.resume import read_state, write_state
from scripts.heads.head import Factors, loss_and_gradients

SAVE_SECONDS = 120.0  # between two states on disk
TAIL = 0.1  # of the updates, whose mean training loss decides between learning rates

Batches = Callable[[int], tuple[Tensor, Tensor]]


@dataclass
class Trainee:
    """A head in training. `losses` are those of its batches, before each update; it stops if one is not finite."""

    start: str
    rank: int
    learning_rate: float  # the peak
    factors: Factors
    losses: list[float] = field(default_factory=list)
    diverged: bool = False

    @property
    def name(self) -> str:
        """For the log."""
        kind = f"rank {self.rank}" if len(self.factors) > 1 else "unfactored"
        return f"{self.start}, {kind}, learning rate {self.learning_rate:g}"

    @property
    def tail(self) -> float:
        """The mean loss of the last batches; infinite if it diverged."""
        last = self.losses[-max(1, round(TAIL * len(self.losses))) :]
        return math.inf if self.diverged else sum(last) / len(last)


def chosen(trainees: list[Trainee]) -> list[Trainee]:
    """Of each start and rank, factored or not, the head whose learning rate served best on its last batches.

    No held-out text takes part, so the held-out loss of the chosen head is not the least of several.
    """
    best: dict[tuple[str, int, int], Trainee] = {}
    for one in trainees:
        key = (one.start, one.rank, len(one.factors))
        if not one.diverged and (key not in best or one.tail < best[key].tail):
            best[key] = one
    return list(best.values())


@dataclass(frozen=True)
class Saved:
    """Where a sweep keeps its state, and what that state must be of."""

    path: Path
    fingerprint: str
    seconds: float = SAVE_SECONDS


class Sweep:
    """Heads and their optimizers. `bias` (V,) is added to the logits of all."""

    def __init__(
        self, trainees: list[Trainee], updates: int, bias: Tensor | None = None, weight_decay: float = WEIGHT_DECAY
    ) -> None:
        self.trainees, self.updates, self.bias = trainees, updates, bias
        self.optimizers = [
            torch.optim.AdamW(one.factors, lr=0.0, betas=BETAS, eps=EPSILON, weight_decay=weight_decay, fused=True)
            for one in trainees
        ]

    def train(self, batches: Batches, saved: Saved | None = None) -> None:
        """Do all updates; `batches` gives the hidden states (n, d) and next tokens (n,) of each.

        Goes on from the state on disk, and removes nothing there.
        """
        first = self._restore(saved) if saved else 0
        done, bar = time.monotonic(), ProgressBar(range(first, self.updates), desc="heads", unit="update")
        for update in bar:
            states, next_tokens = batches(update)
            for one, optimizer in zip(self.trainees, self.optimizers, strict=True):
                if not one.diverged:
                    self._update(one, optimizer, states, next_tokens, update)
            bar.set_postfix_str(self._range(), refresh=False)
            if saved and time.monotonic() - done >= saved.seconds:
                self._save(saved, update + 1)
                done = time.monotonic()

    def _update(
        self, one: Trainee, optimizer: torch.optim.Optimizer, states: Tensor, next_tokens: Tensor, update: int
    ) -> None:
        loss, gradients = loss_and_gradients(states, next_tokens, one.factors, self.bias)
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients]))
        one.losses.append(float(loss))
        if not math.isfinite(one.losses[-1] + float(norm)):
            one.diverged = True
            log.warning("%s: the loss or its gradient is not finite at update %d; it stops here", one.name, update)
            return
        for factor, gradient in zip(one.factors, gradients, strict=True):
            factor.grad = gradient.mul_((CLIP / (norm + 1e-6)).clamp(max=1.0))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(update + 1, self.updates, one.learning_rate)
        optimizer.step()
        optimizer.zero_grad()  # which frees the gradients

    def _range(self) -> str:
        losses = [one.losses[-1] for one in self.trainees if not one.diverged]
        return f"loss {min(losses):.3f} to {max(losses):.3f}" if losses else "all diverged"

    def _save(self, saved: Saved, update: int) -> None:
        heads = [[list(one.factors), one.losses, one.diverged] for one in self.trainees]
        optimizers = [optimizer.state_dict() for optimizer in self.optimizers]
        write_state(saved.path, saved.fingerprint, {"update": update, "heads": heads, "optimizers": optimizers})

    def _restore(self, saved: Saved) -> int:
        """The update to go on with."""
        state = read_state(saved.path, saved.fingerprint)
        if state is None:
            return 0
        log.info("going on from update %d", state["update"])
        for one, optimizer, kept, moments in zip(
            self.trainees, self.optimizers, state["heads"], state["optimizers"], strict=True
        ):
            factors, one.losses, one.diverged = kept
            for factor, value in zip(one.factors, factors, strict=True):
                factor.copy_(value)
            optimizer.load_state_dict(moments)
        return int(state["update"])
