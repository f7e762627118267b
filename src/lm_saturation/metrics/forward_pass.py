"""One forward pass of a model over the sample, and what the metrics take from it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from lm_saturation.errors import InputError
from lm_saturation.inference.logits import check, for_each_logits, head_of
from lm_saturation.inference.trunk import positions_of, trunk_states
from lm_saturation.metrics import cross_entropy, logit_precision
from lm_saturation.metrics.anisotropy import Anisotropy, anisotropy
from lm_saturation.metrics.evaluation_spec import EvaluationSpec
from lm_saturation.metrics.head_spectrum import HeadSpectrum, StateSpectrum, head_spectrum, state_spectrum
from lm_saturation.metrics.unargmaxable import seen_argmax


class LayerStates(NamedTuple):
    """The hidden states of a layer, in numbers."""

    layer: int  # 0 for the embedding output
    state: str  # residual, or after_norm for what the LM head reads
    anisotropy: Anisotropy


@dataclass(frozen=True)
class ForwardPass:
    """A model and what one forward pass over the sample gave: all that metrics are computed from."""

    model: Any
    spec: EvaluationSpec
    states: torch.Tensor  # (sequences, predicted tokens, d) the hidden states that the LM head reads
    layers: list[LayerStates]  # the embedding output, the layers, then after_norm
    token_columns: torch.Tensor  # (8, n) the columns of `logit_precision` of all predicted tokens
    argmax_seen: NDArray[np.bool_]  # (V,) tokens that are the argmax of some state; all False if not asked for
    losses: NDArray[np.float64]  # (sequences, predicted tokens) nats of each token
    loss: cross_entropy.Loss

    @cached_property
    def head_spectrum(self) -> HeadSpectrum:
        """The singular values of the LM head."""
        return head_spectrum(head_of(self.model).weight.detach(), len(self.spec.counts))

    @cached_property
    def state_spectrum(self) -> StateSpectrum:
        """The singular values of the states that the LM head reads."""
        return state_spectrum(self.states)


def run_forward(model: Any, spec: EvaluationSpec, *, checked: bool = False) -> ForwardPass:
    """Run the model over the sample. Raises InputError if it does not fit the sample, or a value is not finite.

    A model of a kind that is `checked`, by an earlier call with one of its checkpoints, is not compared with its own
    forward and tried for causality again, which takes a third of the time on a small sample.
    """
    _check_model(model, spec)
    states, layers = _layers(model, spec, checked)
    token_columns, seen = _logits(model, spec, states)
    column = token_columns[logit_precision.COLUMNS.index("loss_float32")]
    losses = column.double().cpu().numpy().reshape(spec.sample.targets.shape)
    loss = cross_entropy.summarise(losses)
    if not np.isfinite(loss.mean):
        raise InputError("a loss that is not finite")
    return ForwardPass(model, spec, states, layers, token_columns, seen, losses, loss)


def _check_model(model: Any, spec: EvaluationSpec) -> None:
    """Raises InputError if the model has too few positions or head rows for the text."""
    positions, width = positions_of(model), spec.sample.inputs.shape[1]
    if positions is not None and width > positions:
        raise InputError(
            f"metrics.sequence_length makes it read {width} tokens at once; its positions end at {positions}"
        )
    rows = len(head_of(model).weight)
    drawn = spec.random_text
    for name, ids in (
        ("sample", [spec.sample.inputs, spec.sample.targets]),
        ("text", spec.text and spec.text.documents),
        ("random text", drawn and [drawn.unigram, drawn.bigram]),
    ):
        if ids and (largest := max(int(array.max()) for array in ids)) >= rows:
            raise InputError(f"the {name} holds token {largest}, the LM head has {rows} rows: another tokenizer")


def _layers(model: Any, spec: EvaluationSpec, checked: bool) -> tuple[torch.Tensor, list[LayerStates]]:
    """The states (sequences, predicted tokens, d) that the head reads, and the anisotropy of each layer."""
    layers: list[LayerStates] = []

    def add(layer: int, state: str, states: torch.Tensor) -> None:
        cosines = anisotropy(states[:, spec.sample.skip :])
        if not np.isfinite(cosines.mean_norm):
            raise InputError(f"layer {layer}: hidden states that are not finite")
        layers.append(LayerStates(layer, state, cosines))

    ids = torch.from_numpy(spec.sample.inputs).to(model.device)
    states = trunk_states(model, ids, spec.batch_size, lambda layer, output: add(layer, "residual", output))
    if not checked:
        check(model, ids, states)
    add(layers[-1].layer, "after_norm", states)
    return states[:, spec.sample.skip :], layers


def _logits(model: Any, spec: EvaluationSpec, states: torch.Tensor) -> tuple[torch.Tensor, NDArray[np.bool_]]:
    """The columns of `logit_precision` (8, n) of all tokens, and which tokens (V,) are the argmax of any."""
    flat, targets = states.flatten(0, 1), torch.from_numpy(spec.sample.targets).flatten().to(model.device)
    columns = torch.empty(len(logit_precision.COLUMNS), len(flat), device=model.device)
    seen = np.zeros(len(head_of(model).weight), np.bool_)

    def work(places: slice, logits: torch.Tensor) -> None:
        if spec.unargmaxable:
            seen[:] |= seen_argmax(logits)
        columns[:, places] = logit_precision.logit_precision(logits, targets[places], len(spec.counts))

    for_each_logits(model, flat, work)
    return columns, seen
