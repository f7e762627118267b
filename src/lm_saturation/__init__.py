"""Why small language models saturate: metrics of checkpoints, the softmax bottleneck, the rank of language.

from lm_saturation import model_metrics
metrics = model_metrics(model, token_ids).metrics
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lm_saturation.notebook import ModelMetrics as ModelMetrics
    from lm_saturation.notebook import model_metrics as model_metrics

__all__ = ["ModelMetrics", "model_metrics"]


def __getattr__(name: str) -> Any:
    """Import what needs PyTorch where it is first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lm_saturation import notebook

    return getattr(notebook, name)
