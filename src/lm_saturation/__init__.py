"""Why small language models saturate: metrics of checkpoints, the softmax bottleneck, the rank of language.

from lm_saturation import model_metrics, probe
metrics = model_metrics(model, token_ids).metrics
print(probe(model, tokenizer, texts))
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lm_saturation.in_memory import ModelMetrics as ModelMetrics
    from lm_saturation.in_memory import model_metrics as model_metrics
    from lm_saturation.probing.callback import ProbeCallback as ProbeCallback
    from lm_saturation.probing.measure import Health as Health
    from lm_saturation.probing.measure import probe as probe
    from lm_saturation.probing.watch import Watch as Watch

MODULES = {  # of what is public; none has the name of a public function, which importing it would replace
    "ModelMetrics": "in_memory",
    "model_metrics": "in_memory",
    "Health": "probing.measure",
    "probe": "probing.measure",
    "ProbeCallback": "probing.callback",
    "Watch": "probing.watch",
}
__all__ = ["Health", "ModelMetrics", "ProbeCallback", "Watch", "model_metrics", "probe"]


def __getattr__(name: str) -> Any:
    """Import what needs PyTorch where it is first used."""
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"lm_saturation.{MODULES[name]}"), name)
