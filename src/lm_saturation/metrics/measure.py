"""All metrics of one checkpoint, from one forward pass over the sample."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from lm_saturation.discovery import import_modules
from lm_saturation.io.tables import table_columns
from lm_saturation.metrics.evaluation_spec import EvaluationSpec
from lm_saturation.metrics.forward_pass import ForwardPass, run_forward
from lm_saturation.metrics.registry import METRICS, Metric


@dataclass(frozen=True)
class Measurements:
    """The columns of each table for one checkpoint, without its keys."""

    metrics: dict[str, Any]
    layers: dict[str, Any]
    spectrum: dict[str, Any]
    losses: dict[str, Any]


def measure(model: Any, spec: EvaluationSpec) -> Measurements:
    """All metrics of a model. Raises InputError if it does not fit the sample, or a value is not finite."""
    forward = run_forward(model, spec)
    metrics = _metric_columns(forward)
    return Measurements(metrics, _layer_columns(forward), _spectrum_columns(forward), _loss_columns(forward))


@cache
def registered_metrics() -> dict[str, Metric]:
    """The metrics of all modules of lm_saturation.metrics."""
    import_modules("lm_saturation.metrics")
    return METRICS


def _metric_columns(forward: ForwardPass) -> dict[str, Any]:
    """The columns of all metrics, in the order of the table.

    Raises ValueError if two metrics give the same column, or the table does not declare one.
    """
    columns: dict[str, Any] = {}
    for name, metric in registered_metrics().items():
        values = metric(forward)
        if twice := columns.keys() & values:
            raise ValueError(f"metric {name}: another metric gives the column {min(twice)}, too")
        columns |= values
    declared = table_columns("checkpoint_metrics")
    if unknown := columns.keys() - declared:
        raise ValueError(f"column {min(unknown)} is not declared in table checkpoint_metrics of tables.yaml")
    return {name: columns[name] for name in declared if name in columns}


def _layer_columns(forward: ForwardPass) -> dict[str, Any]:
    layer = np.array([states.layer for states in forward.layers])
    cosines = [states.anisotropy for states in forward.layers]
    return {
        "layer": layer,
        "depth": layer / max(1, layer.max()),
        "state": [states.state for states in forward.layers],
        "anisotropy": np.array([layer.raw for layer in cosines]),
        "anisotropy_centred": np.array([layer.centred for layer in cosines]),
        "mean_share": np.array([layer.mean_share for layer in cosines]),
        "mean_norm": np.array([layer.mean_norm for layer in cosines]),
    }


def _spectrum_columns(forward: ForwardPass) -> dict[str, Any]:
    spectrum = forward.head_spectrum
    return {
        "rank": np.arange(1, len(spectrum.padded) + 1),
        "singular_value": spectrum.plain,
        "singular_value_centred": spectrum.centred,
        "singular_value_padded": spectrum.padded,
    }


def _loss_columns(forward: ForwardPass) -> dict[str, Any]:
    """The tokens of a sequence that are of one document are one row."""
    documents = forward.spec.sample.documents
    begins = np.ones(documents.shape, np.bool_)  # of rows; documents follow one another in a sequence
    begins[:, 1:] = documents[:, 1:] != documents[:, :-1]
    at = np.flatnonzero(begins)
    tokens = np.diff(at, append=documents.size)
    return {
        "sequence": at // documents.shape[1],
        "document": documents.ravel()[at],
        "tokens": tokens,
        "loss_nats": np.add.reduceat(forward.losses.ravel(), at) / tokens,
    }
