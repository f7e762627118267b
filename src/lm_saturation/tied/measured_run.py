"""A resumable training whose model is measured at the steps that are kept, rather than written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import GPTNeoXForCausalLM

from lm_saturation.errors import InputError
from lm_saturation.inference.evaluation_sample import EvaluationSample
from lm_saturation.inference.trunk import trunk_states
from lm_saturation.metrics.anisotropy import anisotropy
from lm_saturation.metrics.cross_entropy import summarise, target_losses
from lm_saturation.metrics.head_spectrum import head_spectrum
from lm_saturation.metrics.singular_entropy import singular_entropy
from lm_saturation.training.resumable_run import TrainingState
from lm_saturation.training.resume import read_state, write_state

Measurement = dict[str, Any]


class DivergedError(InputError):
    """A loss that is not finite."""


class MeasuredRun:
    """A run in one file, `path`: its state and measurements. What a run of another fingerprint left is not used."""

    def __init__(self, path: Path, fingerprint: str, measure: Callable[[GPTNeoXForCausalLM], Measurement]) -> None:
        self.path, self.fingerprint, self.measure = path, fingerprint, measure
        self.measurements: list[Measurement] = []  # one per step that was kept, with `step`

    def restore(self, _steps: list[int]) -> TrainingState:
        """The last state that was kept, or an empty one."""
        state = read_state(self.path, self.fingerprint)
        if state is None:
            return TrainingState()
        self.measurements = state.pop("measurements")
        return TrainingState(**state)

    def keep(self, model: GPTNeoXForCausalLM, state: TrainingState) -> None:
        """Measure the model, then write the state; after a kill in between, the next run measures it again."""
        self.measurements.append({"step": state.step, **self.measure(model)})
        write_state(self.path, self.fingerprint, {**vars(state), "measurements": self.measurements})


def measure_model(model: GPTNeoXForCausalLM, sample: EvaluationSample, batch_size: int, name: str) -> Measurement:
    """Loss, geometry of the states that the LM head reads, and the head's spectrum, as in stage metrics.

    Raises DivergedError if the loss is not finite.
    """
    ids, targets = (torch.from_numpy(ids).to(model.device) for ids in (sample.inputs, sample.targets))
    states = trunk_states(model, ids, batch_size)
    losses = target_losses(model, states.flatten(0, 1), targets.flatten())
    loss = summarise(losses.double().cpu().numpy().reshape(sample.targets.shape))
    if not np.isfinite(loss.mean):
        raise DivergedError(f"model {name}: its held-out loss is not finite; lower its learning rate")
    head = model.lm_head.weight.detach()
    cosines, spectrum = anisotropy(states), head_spectrum(head, len(head))
    return {
        "loss_nats": loss.mean,
        "loss_error": loss.error,
        "anisotropy": cosines.raw,
        "anisotropy_centred": cosines.centred,
        "singular_entropy": singular_entropy(spectrum.plain, 2),
        "singular_entropy_centred": singular_entropy(spectrum.centred, 2),
        "head_mean_share": spectrum.mean_share,
        "head_norm": spectrum.norm,
        "singular_values": spectrum.plain.tolist(),
        "singular_values_centred": spectrum.centred.tolist(),
    }
