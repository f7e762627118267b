"""The models of a suite at their last checkpoint, changed where softmax does not see it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from lm_saturation.checkpoints.loading import handle_bad_checkpoints, list_checkpoints
from lm_saturation.config.causes import InterventionOptions
from lm_saturation.config.suites import WeightsOptions
from lm_saturation.errors import InputError
from lm_saturation.heads.frozen_trunk import Trunk
from lm_saturation.invisible.measured import rows_of
from lm_saturation.invisible.readout import Readout
from lm_saturation.invisible.shape import Targets
from lm_saturation.io.logs import log, progress
from lm_saturation.metrics.evaluation_spec import EvaluationSpec


def suite_rows(
    folders: Mapping[str, str | Path],
    spec: EvaluationSpec,
    weights: WeightsOptions,
    options: InterventionOptions,
    targets: Targets,
    device: str,
) -> list[dict[str, Any]]:
    """The rows of `offset_intervention` of models, by name the `folders` of their last checkpoints; without the suite.

    The last that can be read is taken. A model whose logits are not W x + b is left out. Raises InputError for
    checkpoints that cannot be measured, unless `weights.bad_checkpoints` lets them be left out.
    """
    rows: list[dict[str, Any]] = []
    bad: list[str] = []
    good = 0
    for model, folder in progress(folders.items(), "models", len(folders), "model"):
        for step, path in reversed(list_checkpoints(folder)):
            try:
                found = list(_rows(path, spec, weights, options, targets, device))
            except InputError as error:
                bad.append(str(error))
                continue
            rows += [{"model": model, "step": step, **row} for row in found]
            good += 1
            break
    handle_bad_checkpoints(bad, good, weights.bad_checkpoints)
    return rows


def _rows(
    path: Path,
    spec: EvaluationSpec,
    weights: WeightsOptions,
    options: InterventionOptions,
    targets: Targets,
    device: str,
) -> Iterator[dict[str, Any]]:
    """Those of one checkpoint; none if its logits are not W x + b."""
    readout = _readout(path, spec, weights, device)
    if readout is None:
        return
    next_tokens = torch.from_numpy(spec.sample.targets.ravel()).to(device)
    if int(next_tokens.max()) >= len(readout.head):
        raise InputError(f"{path}: the LM head has {len(readout.head)} rows, the text more tokens: another tokenizer")
    yield from rows_of(readout, next_tokens, options, targets)


def _readout(path: Path, spec: EvaluationSpec, weights: WeightsOptions, device: str) -> Readout | None:
    """The head and the states of the sample; None if the logits are not W x + b. The model itself is let go."""
    trunk = Trunk(path, getattr(torch, weights.dtype), device, None, spec.batch_size)
    try:
        head, bias = trunk.linear_head(len(spec.counts))
    except InputError as error:
        log.warning("%s: left out: %s", path, error)
        return None
    states = trunk.states(spec.sample.inputs)[:, spec.sample.skip :].flatten(0, 1).double()
    if not torch.isfinite(states).all():
        raise InputError(f"{path}: hidden states that are not finite")
    return Readout(head.double(), torch.zeros_like(head[:, 0]).double() if bias is None else bias.double(), states)
