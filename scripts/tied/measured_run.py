"""A training whose model is measured at the steps that are kept, rather than written; and all it needs to go on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import GPTNeoXForCausalLM

from scripts.checkpoints.unfinished import State
from scripts.common.jobs import InputError
from scripts.common.resume import read_state, write_state
from scripts.metrics.anisotropy import anisotropy
from scripts.metrics.cross_entropy import summarise
from scripts.metrics.head_spectrum import head_spectrum
from scripts.metrics.logits import target_losses
from scripts.metrics.sample import Sample
from scripts.metrics.singular_entropy import singular_entropy
from scripts.metrics.trunk import trunk_states

Measure = Callable[[GPTNeoXForCausalLM], dict[str, Any]]


class MeasuredRun:
    """One file, `path`: step, weights, optimizer, log and what was measured. One of another fingerprint is not used."""

    def __init__(self, path: Path, fingerprint: str, measure: Measure) -> None:
        self.path, self.fingerprint, self.measure = path, fingerprint, measure
        self.measured: list[dict[str, Any]] = []  # one a step kept, with `step`

    def restore(self, _steps: list[int]) -> State:
        """The state to go on from: the last that was kept, or an empty one."""
        kept = read_state(self.path, self.fingerprint)
        if kept is None:
            return State()
        self.measured = kept.pop("measured")
        return State(**kept)

    def keep(self, model: GPTNeoXForCausalLM, state: State) -> None:
        """Measure the model, then write the state; a kill in between loses only what the next run does again."""
        self.measured.append({"step": state.step, **self.measure(model)})
        write_state(self.path, self.fingerprint, {**vars(state), "measured": self.measured})


def measure(model: GPTNeoXForCausalLM, sample: Sample, batch_size: int, name: str) -> dict[str, Any]:
    """Loss, geometry of the states that the head reads, and the head's spectrum, as in stage metrics.

    Raises InputError if the loss is not finite.
    """
    ids, targets = (torch.from_numpy(ids).to(model.device) for ids in (sample.inputs, sample.targets))
    states = trunk_states(model, ids, batch_size)
    losses = target_losses(model, states.flatten(0, 1), targets.flatten())
    loss = summarise(losses.double().cpu().numpy().reshape(sample.targets.shape))
    if not np.isfinite(loss.mean):
        raise InputError(f"model {name}: its held-out loss is not finite; lower its learning rate")
    head = model.lm_head.weight.detach()
    found, spectrum = anisotropy(states), head_spectrum(head, len(head))
    return {
        "loss_nats": loss.mean,
        "loss_error": loss.error,
        "anisotropy": found.raw,
        "anisotropy_centred": found.centred,
        "singular_entropy": singular_entropy(spectrum.plain, 2),
        "singular_entropy_centred": singular_entropy(spectrum.centred, 2),
        "head_mean_share": spectrum.mean_share,
        "head_norm": spectrum.norm,
        "singular_values": spectrum.plain.tolist(),
        "singular_values_centred": spectrum.centred.tolist(),
    }
