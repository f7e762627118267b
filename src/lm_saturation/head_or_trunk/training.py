"""Trainings of the factorial: a wide trunk with a full head, the same with W = AB of rank r, and a narrow model.

All see the same text in the same order. Where there are several learning rates, each cell gets the one that does best
at a seed of its own, which is in no result: the best of several on the seeds that are compared would be too good.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import GPTNeoXForCausalLM

from lm_saturation.config.causes import FactorialOptions
from lm_saturation.config.metrics import HeldOut, MetricOptions
from lm_saturation.config.suites import TrainedModel, TrainingOptions, WeightsOptions
from lm_saturation.errors import InputError
from lm_saturation.head_or_trunk.kinds import LOW_RANK, NARROW, WIDE
from lm_saturation.heads.factored_head import token_losses
from lm_saturation.inference.trunk import trunk_states
from lm_saturation.io.logs import log, progress
from lm_saturation.metrics.evaluation_spec import EvaluationFiles, EvaluationSpec, read_spec
from lm_saturation.text.splits import split_documents
from lm_saturation.text.token_files import open_shards
from lm_saturation.training.batch_sampler import BatchSampler
from lm_saturation.training.gpt_neox import build_model
from lm_saturation.training.head_loss import head_loss
from lm_saturation.training.loop import make_optimizer, update
from lm_saturation.training.recipe import learning_rate

HEAD_STREAM = 1 << 32  # added to the seed of a factored head: with the seed alone it would repeat the embedding
Row = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One model of the factorial."""

    kind: str  # WIDE, LOW_RANK or NARROW
    rank: int  # of the head
    model: TrainedModel  # trunk and learning rate

    @property
    def factored(self) -> bool:
        """Is its head W = AB?"""
        return self.kind == LOW_RANK


class FactoredHead(nn.Module):
    """W = AB with `outer` A (V, r) and `inner` B (r, d), both trained.

    At its start B keeps the variance of a state and A is the head of a model of width r, so that the logits have the
    variance that those of a full head have.
    """

    def __init__(self, vocabulary_size: int, width: int, rank: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(HEAD_STREAM + seed)
        small = math.sqrt(2 / (5 * rank))  # "small_init" of width r
        self.outer = nn.Parameter(torch.randn(vocabulary_size, rank, generator=generator) * small)
        self.inner = nn.Parameter(torch.randn(rank, width, generator=generator) / math.sqrt(width))


def cells_of(wide: TrainedModel, others: Sequence[TrainedModel], ranks: Sequence[int]) -> list[Cell]:
    """The cells, with the first of the `others` of width r as the narrow model of rank r.

    They are the wide model, and per rank the wide trunk with a head of it, and the narrow model if r < d.
    """
    narrow = {model.width: model for model in reversed(others)}
    cells = [Cell(WIDE, wide.width, wide)]
    for rank in ranks:
        cells.append(Cell(LOW_RANK, rank, wide))
        if rank < wide.width:
            cells.append(Cell(NARROW, rank, narrow[rank]))
    return cells


def build_cell(cell: Cell, vocabulary_size: int, length: int, seed: int) -> GPTNeoXForCausalLM:
    """The model of a cell at its initialisation; trunks of one width and seed begin alike."""
    built = build_model(cell.model.model_copy(update={"seed": seed}), vocabulary_size, length)
    if cell.factored:
        built.lm_head = FactoredHead(vocabulary_size, cell.model.width, cell.rank, seed)
    return built


def cell_loss(model: GPTNeoXForCausalLM, batch: Tensor) -> Tensor:
    """Mean cross-entropy (nats/token) of `batch` (sequences, length + 1), float32."""
    states = model.gpt_neox(batch[:, :-1], use_cache=False).last_hidden_state.flatten(0, 1)
    head = model.lm_head
    if isinstance(head, FactoredHead):
        return head_loss(states @ head.inner.T, head.outer, batch[:, 1:].flatten())
    return head_loss(states, head.weight, batch[:, 1:].flatten())


def head_factors(model: GPTNeoXForCausalLM) -> tuple[Tensor, ...]:
    """The head as `factored_head` has it: (Aᵀ, B), or (Wᵀ,)."""
    head = model.lm_head
    return (head.outer.T, head.inner) if isinstance(head, FactoredHead) else (head.weight.T,)


@dataclass(frozen=True)
class Trainings:
    """What the trainings have in common; `ids` (T,) is the text."""

    ids: NDArray[Any]
    sequences: TrainingOptions
    options: FactorialOptions
    spec: EvaluationSpec
    vocabulary_size: int

    def row(self, cell: Cell, seed: int, factor: float, *, chooses: bool) -> Row:
        """Train a cell and measure it."""
        sampler = BatchSampler(self.ids, self.sequences.sequence_length, self.sequences.batch_size, seed)
        built = build_cell(cell, self.vocabulary_size, sampler.length, seed)
        peak = cell.model.learning_rate * factor
        train_cell(built, sampler, peak, self.options.steps)
        loss = held_out_loss(built, self.spec)
        if not math.isfinite(loss):
            raise InputError(f"the {cell.kind} model of rank {cell.rank}: a loss that is not finite; lower its rate")
        log.info("%s, rank %d, seed %d, rate %g: %.4f nats", cell.kind, cell.rank, seed, peak, loss)
        return {
            "cell": cell.kind,
            "rank": cell.rank,
            "hidden_size": cell.model.width,
            "layers": cell.model.layers,
            "parameters": sum(parameter.numel() for parameter in built.parameters()),
            "vocabulary_size": self.vocabulary_size,
            "seed": seed,
            "chooses_rate": int(chooses),
            "rate_factor": factor,
            "learning_rate": peak,
            "step": self.options.steps,
            "tokens": sampler.tokens(self.options.steps),
            "sample_tokens": self.spec.sample.targets.size,
            "loss_nats": loss,
        }


def read_trainings(
    files: EvaluationFiles,
    weights: WeightsOptions,
    sample: MetricOptions,
    held_out: HeldOut,
    sequences: TrainingOptions,
    options: FactorialOptions,
) -> Trainings:
    """Trainings on the documents of `files` that are not held out, measured on those that are. Raises InputError."""
    spec, shards = read_spec(files, weights, sample, held_out), open_shards(files.tokens)
    ids = split_documents(shards, held_out).train.ids
    return Trainings(ids, sequences, options, spec, shards[0].vocabulary_size)


def rate_rows(cells: Sequence[Cell], trainings: Trainings) -> list[Row]:
    """Rows of `head_or_trunk` of all cells at all rates, at the seed that chooses them.

    Raises InputError if a loss is not finite.
    """
    grid = [(cell, factor) for cell in cells for factor in trainings.options.rate_factors]
    progressing = progress(grid, "trainings that choose rates", len(grid), "training")
    return [trainings.row(cell, trainings.options.tuning_seed, factor, chooses=True) for cell, factor in progressing]


def seed_rows(cells: Sequence[Cell], trainings: Trainings, seed: int, tried: Sequence[Row]) -> list[Row]:
    """Rows of `head_or_trunk` of all cells at one seed, each at the best rate of the rows `tried`.

    With none tried, at the first factor. Raises InputError if a loss is not finite.
    """
    only = trainings.options.rate_factors[0]
    return [
        trainings.row(cell, seed, best_factor(tried, cell) if tried else only, chooses=False)
        for cell in progress(cells, "trainings", len(cells), "training")
    ]


def best_factor(rows: Sequence[Row], cell: Cell) -> float:
    """The rate factor of the lowest held-out loss of a cell."""
    own = [row for row in rows if (row["cell"], row["rank"]) == (cell.kind, cell.rank)]
    return float(min(own, key=lambda row: row["loss_nats"])["rate_factor"])


def train_cell(model: GPTNeoXForCausalLM, sampler: BatchSampler, peak: float, steps: int) -> None:
    """Train a model in place by Pythia's recipe, on the CPU in float32."""
    optimizer = make_optimizer(model.train())
    for step in range(steps):
        loss = cell_loss(model, torch.from_numpy(sampler.batch(step)))
        update(model, optimizer, loss, learning_rate(step + 1, steps, peak))
    model.eval()


@torch.no_grad()
def held_out_loss(model: GPTNeoXForCausalLM, spec: EvaluationSpec) -> float:
    """The mean loss of the sample, nats/token."""
    ids = torch.from_numpy(spec.sample.inputs)
    states = trunk_states(model, ids, spec.batch_size)[:, spec.sample.skip :].flatten(0, 1)
    targets = torch.from_numpy(spec.sample.targets.ravel())
    return float(token_losses(states, targets, head_factors(model)).nats.double().mean())
