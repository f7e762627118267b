"""All metrics of the checkpoints of a span of a model, and the parts of the four tables that they are written to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lm_saturation.checkpoints.loading import handle_bad_checkpoints, quantisation_of
from lm_saturation.checkpoints.read_ahead import load_models
from lm_saturation.config.suites import WeightsOptions
from lm_saturation.errors import InputError
from lm_saturation.inference.logits import head_of
from lm_saturation.io.logs import progress
from lm_saturation.io.tables import read_table, table_columns
from lm_saturation.metrics.evaluation_spec import EvaluationSpec
from lm_saturation.metrics.measure import Measurements, measure

TABLES = {  # by the fields of Measurements
    "metrics": "checkpoint_metrics",
    "layers": "layer_metrics",
    "spectrum": "head_spectrum",
    "losses": "sequence_losses",
}


def measure_span(
    checkpoints: Sequence[tuple[int, Path]], spec: EvaluationSpec, weights: WeightsOptions, device: str
) -> dict[int, Measurements]:
    """The measurements of checkpoints (step, folder), by step.

    Raises InputError for checkpoints that cannot be measured, unless `weights.bad_checkpoints` lets them be left out.
    """
    measured: dict[int, Measurements] = {}
    bad: list[str] = []
    models = load_models([path for _, path in checkpoints], getattr(torch, weights.dtype))
    steps = zip(checkpoints, models, strict=True)
    for (step, path), model in progress(steps, "checkpoints", len(checkpoints), "checkpoint"):
        if isinstance(model, InputError):
            bad.append(str(model))
            continue
        try:
            model.to(device)  # here, where the one before has left
            rows = len(head_of(model).weight)
            measured[step] = measure(model, replace(spec, counts=spec.counts[:rows]))
            measured[step].metrics["quantisation"] = quantisation_of(path)
        except InputError as error:
            bad.append(f"{path}: {error}")
    handle_bad_checkpoints(bad, len(measured), weights.bad_checkpoints)
    return measured


def read_duplicates(audit: str | Path | None) -> dict[int, int]:
    """The steps whose checkpoint is the same as another's by the table checkpoint_audit, and that other step."""
    if not audit:
        return {}
    rows = read_table("checkpoint_audit", audit).to_pylist()
    return {row["step"]: row["duplicate_of"] for row in rows if row["duplicate_of"] is not None}


def table_parts(
    field: str,
    measured: Mapping[int, Measurements],
    keys: dict[str, str],
    duplicates: Mapping[int, int],
    tokens_per_step: int | None,
) -> Iterator[dict[str, Any]]:
    """The parts of one of the TABLES: one per checkpoint, or a single empty one. `keys` name suite and model."""
    for step, measurements in measured.items():
        columns = {**keys, "step": step, **getattr(measurements, field)}
        if field == "metrics":
            columns["tokens"] = None if tokens_per_step is None else step * tokens_per_step
            columns["duplicate_of"] = duplicates.get(step)
        yield columns
    if not measured:
        yield {column: np.empty(0, object) for column in table_columns(TABLES[field])}
