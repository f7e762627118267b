"""The registry of metrics: modules of lm_saturation.metrics, each with a function that gives its columns.

@metric
def columns(forward: ForwardPass) -> dict[str, Any]:
    return {"head_norm": forward.head_spectrum.norm}

src/lm_saturation/io/tables.yaml declares the columns, in table checkpoint_metrics.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lm_saturation.metrics.forward_pass import ForwardPass

Metric = Callable[["ForwardPass"], dict[str, Any]]

METRICS: dict[str, Metric] = {}  # by module and name


def metric(columns: Metric) -> Metric:
    """Register a function from a forward pass to columns of `checkpoint_metrics`: a number, or None if empty."""
    METRICS[f"{columns.__module__}.{columns.__name__}"] = columns
    return columns
