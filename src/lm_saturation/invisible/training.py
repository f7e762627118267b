"""Small models trained with logits, or all, in half precision, and with heads kept from what softmax cannot see.

Weights, optimizer and sums of the loss are float32. `bfloat16_logits` and `float16_logits`: states and head are rounded
before their product, and the logits after it. `bfloat16` and `float16`: the trunk's matrix products, too (autocast).
Gradients are scaled by the tokens of a batch while they pass through halves, as mixed precision is trained.

A `centred` head loses its mean row after each update (arXiv 2601.02031); `z_loss` adds the mean of (log Z)² to the loss
(arXiv 2204.02311), which holds the offset at 0 as far as it is log Z; rows of a `coupled` head share one second moment
(arXiv 2502.08441); `plain` is Pythia's.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import GPTNeoXForCausalLM

from lm_saturation.config.causes import HeadKind, OffsetTrainingOptions, TrainedPrecision
from lm_saturation.config.metrics import HeldOut
from lm_saturation.config.suites import TrainedModel, TrainingOptions
from lm_saturation.inference.trunk import trunk_states
from lm_saturation.invisible.coupled_moments import couple_rows
from lm_saturation.invisible.forms import HALVES
from lm_saturation.invisible.measured import losses_of, shape_row
from lm_saturation.invisible.readout import Readout
from lm_saturation.io.logs import progress
from lm_saturation.metrics.evaluation_spec import EvaluationSpec
from lm_saturation.text.splits import split_documents
from lm_saturation.text.token_files import Tokens
from lm_saturation.training.batch_sampler import BatchSampler
from lm_saturation.training.gpt_neox import build_model
from lm_saturation.training.loop import make_optimizer, update
from lm_saturation.training.recipe import learning_rate

LOGITS = "_logits"  # of precisions that leave the trunk in float32
Row = dict[str, Any]


def training_rows(
    shards: Sequence[Tokens],
    held_out: HeldOut,
    model: TrainedModel,
    sequences: TrainingOptions,
    options: OffsetTrainingOptions,
    spec: EvaluationSpec,
) -> list[Row]:
    """A row of `offset_training` per seed, precision and head, without suite and model; on the CPU.

    Raises InputError if there is too little text.
    """
    ids = split_documents(shards, held_out).train.ids
    grid = [
        (seed, precision, kind) for seed in options.seeds for precision in options.precisions for kind in options.heads
    ]
    rows = []
    for seed, precision, kind in progress(grid, "trainings", len(grid), "training"):
        sampler = BatchSampler(ids, sequences.sequence_length, sequences.batch_size, seed)
        built = build_model(model.model_copy(update={"seed": seed}), shards[0].vocabulary_size, sampler.length)
        skipped = train_with(built, sampler, model.learning_rate, precision, kind, options)
        keys = {"seed": seed, "precision": precision, "head": kind, "step": options.steps, "skipped_updates": skipped}
        rows.append({**keys, **_measured(built, spec)})
    return rows


def train_with(
    model: GPTNeoXForCausalLM,
    sampler: BatchSampler,
    peak: float,
    precision: TrainedPrecision,
    kind: HeadKind,
    options: OffsetTrainingOptions,
) -> int:
    """Train a model in place by Pythia's recipe; returns how many updates a gradient that was not finite left out."""
    optimizer, skipped = make_optimizer(model.train()), 0
    if kind == "coupled":
        couple_rows(optimizer, model.lm_head.weight)
    scale = float(sampler.batch_size * sampler.length)
    hooks = [parameter.register_hook(lambda gradient: gradient / scale) for parameter in model.parameters()]
    for step in range(options.steps):
        batch = torch.from_numpy(sampler.batch(step))
        loss = variant_loss(model, batch, precision, options.z_loss if kind == "z_loss" else 0.0)
        norm = update(model, optimizer, loss * scale, learning_rate(step + 1, options.steps, peak))
        skipped += norm != norm or norm == float("inf")
        if kind == "centred":
            with torch.no_grad():
                model.lm_head.weight -= model.lm_head.weight.mean(0)
    for hook in hooks:
        hook.remove()
    model.eval()
    return skipped


def variant_loss(model: GPTNeoXForCausalLM, batch: Tensor, precision: TrainedPrecision, z_loss: float) -> Tensor:
    """Mean cross-entropy (nats/token) of `batch` (sequences, length + 1), and z_loss times the mean of (log Z)²."""
    half = None if precision == "float32" else getattr(torch, precision.removesuffix(LOGITS))
    trunk_half = half is not None and not precision.endswith(LOGITS)
    with torch.autocast("cpu", half) if trunk_half else nullcontext():
        states = model.gpt_neox(batch[:, :-1], use_cache=False).last_hidden_state.flatten(0, 1)
    logits = _logits(states, model.lm_head.weight, half)
    loss = cross_entropy(logits, batch[:, 1:].flatten())
    return loss + z_loss * logits.logsumexp(1).square().mean() if z_loss else loss


def _logits(states: Tensor, head: Tensor, half: torch.dtype | None) -> Tensor:
    """(n, V) logits of states (n, d), in float32. Products of halves are summed in float32, and rounded once."""
    if half is None:
        return states @ head.T
    states, head = states.to(half), head.to(half)
    if half == torch.float16:  # a CPU multiplies these in float32 several times as fast, and exactly
        return (states.float() @ head.float().T).to(half).float()
    return (states @ head.T).float()


@torch.no_grad()
def _measured(model: GPTNeoXForCausalLM, spec: EvaluationSpec) -> Row:
    """What the trained model shows: its loss with float32 logits, and what rounding them to halves costs."""
    states = trunk_states(model, torch.from_numpy(spec.sample.inputs), spec.batch_size)[:, spec.sample.skip :]
    head = model.lm_head.weight.double()
    readout = Readout(head, torch.zeros_like(head[:, 0]), states.flatten(0, 1).double())
    losses, logits = losses_of(readout, torch.from_numpy(spec.sample.targets.ravel()))
    single = losses["float32"]
    costs = {f"{half}_cost": None if losses[half] is None else losses[half] - single for half in HALVES}
    shape = {"logit_offset": logits["offset_size"], "logit_spread": logits["spread"], **shape_row(readout)}
    return {"hidden_size": head.shape[1], "loss_nats": single, **costs, **shape}
