"""LM heads of several ranks and learning rates on a frozen trunk: how they are trained and judged.

arXiv 2404.07647, section 5.2 and Figs 6 and 9; with the initialisations and the unfactored head that the paper lacks.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from lm_saturation.config.heads import SweepOptions
from lm_saturation.config.metrics import HeldOut
from lm_saturation.errors import InputError
from lm_saturation.heads.factored_head import Factors, Losses
from lm_saturation.heads.frozen_trunk import Trunk
from lm_saturation.heads.initialisations import CUT_OF, initial_factors, unfactored
from lm_saturation.heads.states import HeadStates
from lm_saturation.heads.sweep import Batches, HeadRun, Sweep, SweepState, best_learning_rates
from lm_saturation.heads.truncation import cut
from lm_saturation.io.logs import log, progress
from lm_saturation.io.tables import arrow_schema
from lm_saturation.metrics.cross_entropy import summarise
from lm_saturation.metrics.head_spectrum import gram
from lm_saturation.text.splits import split_documents
from lm_saturation.text.token_files import Tokens
from lm_saturation.training.batch_sampler import BatchSampler
from lm_saturation.training.recipe import Precision


@dataclass(frozen=True)
class TrainedHead:
    """A head at the end of its training, judged on the held-out sample."""

    run: HeadRun
    initial_loss: float  # nats/token, held-out, before the first update
    losses: Losses | None  # (sequences, tokens), held-out; None if it diverged
    is_best: bool  # of the learning rates of its initialisation and rank


def make_head_runs(
    frozen: HeadStates, ranks: Sequence[int], with_unfactored: bool, options: SweepOptions
) -> list[HeadRun]:
    """A head for every initialisation, rank up to the model's width and learning rate.

    With `with_unfactored`, also the unfactored head of each initialisation, which starts as the one of full rank.
    """
    width = frozen.head.shape[1]
    second_moment = gram(frozen.hidden_states)[0] / len(frozen.hidden_states)
    starting: list[tuple[str, int, Factors]] = []
    for name in options.initialisations:
        truncation = cut(CUT_OF[name], frozen.head, second_moment) if name in CUT_OF else None
        factors_of = partial(initial_factors, name, head=frozen.head, truncation=truncation, seed=options.seed)
        starting += [(name, rank, factors_of(rank)) for rank in ranks if rank <= width]
        if with_unfactored:
            starting.append((name, width, unfactored(factors_of(width))))
    return [
        HeadRun(name, rank, rate, tuple(factor.clone() for factor in factors))
        for name, rank, factors in starting
        for rate in options.learning_rates
    ]


def training_sampler(shards: Sequence[Tokens], options: SweepOptions, held_out: HeldOut) -> BatchSampler:
    """Batches of the documents that are not held out."""
    ids = split_documents(shards, held_out).train.ids
    return BatchSampler(ids, options.length, options.batch_size, options.seed)


def trunk_batches(trunk: Trunk, sampler: BatchSampler, dtype: torch.dtype) -> Batches:
    """The hidden states and next tokens of the batch of each update."""

    def batch(update: int) -> tuple[torch.Tensor, torch.Tensor]:
        ids = torch.from_numpy(sampler.batch(update)).to(trunk.device)
        return trunk.states(ids[:, :-1]).flatten(0, 1).to(dtype), ids[:, 1:].flatten()

    return batch


def train_heads(
    runs: list[HeadRun],
    frozen: HeadStates,
    trunk: Trunk,
    sampler: BatchSampler,
    options: SweepOptions,
    state: SweepState | None = None,
) -> list[TrainedHead]:
    """Train all heads side by side, and judge them; `state` is where the sweep keeps itself on disk.

    Raises InputError if they do not fit a GPU's memory.
    """
    tokens = options.batch_size * options.length
    updates = max(1, round(options.tokens / tokens))
    log.info("%d heads, %d updates of %d tokens", len(runs), updates, tokens)
    initial = _initial_losses(runs, frozen)
    batches = trunk_batches(trunk, sampler, Precision(options.device, options.precision).dtype)
    try:
        Sweep(runs, updates, frozen.bias).train(batches, state)
    except torch.OutOfMemoryError as error:
        raise InputError(
            f"{len(runs)} heads, with gradients and optimizers, do not fit the GPU's memory: share the ranks out "
            "to more heads.jobs, or take fewer heads.learning_rates"
        ) from error
    best = {id(run) for run in best_learning_rates(runs)}
    return [
        TrainedHead(run, loss, None if run.diverged else frozen.losses(run.factors), id(run) in best)
        for run, loss in progress(zip(runs, initial, strict=True), "final held-out losses", len(runs), "head")
    ]


def _initial_losses(runs: list[HeadRun], frozen: HeadStates) -> list[float]:
    """The held-out loss that each head starts from; those that differ in learning rate only share it."""
    losses: dict[tuple[str, int, bool], float] = {}
    for run in progress(runs, "initial held-out losses", unit="head"):
        if run.kind not in losses:
            losses[run.kind] = float(frozen.losses(run.factors).nats.double().mean())
    return [losses[run.kind] for run in runs]


def head_columns(run: HeadRun) -> dict[str, Any]:
    """The columns that name a head."""
    return {
        "initialisation": run.initialisation,
        "rank": run.rank,
        "factored": int(run.factored),
        "learning_rate": run.learning_rate,
    }


def head_rows(heads: Iterable[TrainedHead], keys: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of `head_rank_sweep`; `keys` are the columns that name the checkpoint."""
    return [{**keys, **head_columns(head.run), **_result_columns(head)} for head in heads]


def _result_columns(head: TrainedHead) -> dict[str, Any]:
    run, losses = head.run, head.losses
    summary = losses and summarise(losses.nats.double().cpu().numpy())
    return {
        "initial_loss_nats": head.initial_loss,
        "training_loss_nats": None if run.diverged else run.tail_loss,
        "loss_nats": summary and summary.mean,
        "loss_error": summary and summary.error,
        "accuracy": losses and float(losses.hits.double().mean()),
        "diverged": int(run.diverged),
        "is_best": int(head.is_best),
    }


def sequence_parts(heads: Iterable[TrainedHead], keys: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of `head_losses`: for each head of the best learning rate, the held-out loss of every sequence."""
    parts = []
    for head in heads:
        if head.is_best and head.losses:
            means = head.losses.nats.double().mean(1).cpu().numpy()
            sequences = list(range(len(means)))
            parts.append({**keys, **head_columns(head.run), "sequence": sequences, "loss_nats": means})
    return parts or [_empty("head_losses")]


def training_parts(heads: Iterable[TrainedHead], keys: dict[str, Any], batch_tokens: int) -> list[dict[str, Any]]:
    """The parts of `head_training`: for each head, the loss of every batch of `batch_tokens` tokens, while finite."""
    parts = []
    for run in (head.run for head in heads):
        losses = run.losses[:-1] if run.diverged else run.losses
        updates = range(len(losses))
        if losses:
            tokens = [batch_tokens * update for update in updates]
            parts.append({**keys, **head_columns(run), "update": updates, "tokens": tokens, "loss_nats": losses})
    return parts or [_empty("head_training")]


def _empty(table: str) -> dict[str, Any]:
    """A table without rows: no rank of this job is as small as the model is wide."""
    return {field.name: [] for field in arrow_schema(table)}
