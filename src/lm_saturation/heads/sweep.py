"""Train many LM heads at once on the hidden states of one frozen trunk, which runs once a batch.

Each head has its own gradient, clipping, optimizer and learning rate, by Pythia's recipe: it ends with the weights that
it would have if it were trained alone.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from lm_saturation.heads.factored_head import Factors, loss_and_gradients
from lm_saturation.io.logs import ProgressBar, log
from lm_saturation.training.recipe import BETAS, CLIP, EPSILON, WEIGHT_DECAY, learning_rate
from lm_saturation.training.resume import read_state, write_state

SAVE_SECONDS = 120.0  # between two states on disk
TAIL = 0.1  # of the updates, whose mean training loss decides between learning rates

Batches = Callable[[int], tuple[Tensor, Tensor]]


@dataclass
class HeadRun:
    """A head in training. `losses` are those of its batches, before each update; it stops if one is not finite."""

    initialisation: str
    rank: int
    learning_rate: float  # the peak
    factors: Factors
    losses: list[float] = field(default_factory=list)
    diverged: bool = False

    @property
    def factored(self) -> bool:
        """Whether it is a product of two factors, of constrained rank."""
        return len(self.factors) > 1

    @property
    def kind(self) -> tuple[str, int, bool]:
        """What heads have in common that differ in learning rate only."""
        return self.initialisation, self.rank, self.factored

    @property
    def name(self) -> str:
        """For the log."""
        rank = f"rank {self.rank}" if self.factored else "unfactored"
        return f"{self.initialisation}, {rank}, learning rate {self.learning_rate:g}"

    @property
    def tail_loss(self) -> float:
        """The mean loss of the last batches; infinite if it diverged."""
        last = self.losses[-max(1, round(TAIL * len(self.losses))) :]
        return math.inf if self.diverged else sum(last) / len(last)


def best_learning_rates(runs: list[HeadRun]) -> list[HeadRun]:
    """Of each initialisation and rank, factored or not, the head with the lowest training loss on its last batches.

    No held-out text takes part, so the held-out loss of the best learning rate is not the lowest of several.
    """
    best: dict[tuple[str, int, bool], HeadRun] = {}
    for run in runs:
        if not run.diverged and (run.kind not in best or run.tail_loss < best[run.kind].tail_loss):
            best[run.kind] = run
    return list(best.values())


@dataclass(frozen=True)
class SweepState:
    """Where a sweep keeps its state on disk, and the fingerprint of what decides it."""

    path: Path
    fingerprint: str
    seconds: float = SAVE_SECONDS


class Sweep:
    """Heads and their optimizers. `bias` (V,) is added to the logits of all."""

    def __init__(
        self, runs: list[HeadRun], updates: int, bias: Tensor | None = None, weight_decay: float = WEIGHT_DECAY
    ) -> None:
        self.runs, self.updates, self.bias = runs, updates, bias
        self.optimizers = [
            torch.optim.AdamW(run.factors, lr=0.0, betas=BETAS, eps=EPSILON, weight_decay=weight_decay, fused=True)
            for run in runs
        ]

    def train(self, batches: Batches, state: SweepState | None = None) -> None:
        """Do all updates; `batches` gives the hidden states (n, d) and next tokens (n,) of each.

        Goes on from the state on disk, and removes nothing there.
        """
        first = self._restore(state) if state else 0
        saved, bar = time.monotonic(), ProgressBar(range(first, self.updates), desc="heads", unit="update")
        for update in bar:
            states, next_tokens = batches(update)
            for run, optimizer in zip(self.runs, self.optimizers, strict=True):
                if not run.diverged:
                    self._update(run, optimizer, states, next_tokens, update)
            bar.set_postfix_str(self._range(), refresh=False)
            if state and time.monotonic() - saved >= state.seconds:
                self._save(state, update + 1)
                saved = time.monotonic()

    def _update(
        self, run: HeadRun, optimizer: torch.optim.Optimizer, states: Tensor, next_tokens: Tensor, update: int
    ) -> None:
        loss, gradients = loss_and_gradients(states, next_tokens, run.factors, self.bias)
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients]))
        run.losses.append(float(loss))
        if not math.isfinite(run.losses[-1] + float(norm)):
            run.diverged = True
            log.warning("%s: the loss or its gradient is not finite at update %d; it stops here", run.name, update)
            return
        for factor, gradient in zip(run.factors, gradients, strict=True):
            factor.grad = gradient.mul_((CLIP / (norm + 1e-6)).clamp(max=1.0))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(update + 1, self.updates, run.learning_rate)
        optimizer.step()
        optimizer.zero_grad()  # which frees the gradients

    def _range(self) -> str:
        losses = [run.losses[-1] for run in self.runs if not run.diverged]
        return f"loss {min(losses):.3f} to {max(losses):.3f}" if losses else "all diverged"

    def _save(self, state: SweepState, update: int) -> None:
        heads = [[list(run.factors), run.losses, run.diverged] for run in self.runs]
        optimizers = [optimizer.state_dict() for optimizer in self.optimizers]
        write_state(state.path, state.fingerprint, {"update": update, "heads": heads, "optimizers": optimizers})

    def _restore(self, state: SweepState) -> int:
        """The update to go on with."""
        kept = read_state(state.path, state.fingerprint)
        if kept is None:
            return 0
        log.info("going on from update %d", kept["update"])
        for run, optimizer, head, moments in zip(
            self.runs, self.optimizers, kept["heads"], kept["optimizers"], strict=True
        ):
            factors, run.losses, run.diverged = head
            for factor, value in zip(run.factors, factors, strict=True):
                factor.copy_(value)
            optimizer.load_state_dict(moments)
        return int(kept["update"])
