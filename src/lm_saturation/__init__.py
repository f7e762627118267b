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
    from lm_saturation.probing.remedies import centre_head as centre_head
    from lm_saturation.probing.remedies import float32_logits as float32_logits
    from lm_saturation.probing.remedies import mu_loss as mu_loss
    from lm_saturation.probing.remedies import z_loss as z_loss
    from lm_saturation.probing.watch import Watch as Watch

MODULES = {  # of what is public; none has the name of a public function, which importing it would replace
    "ModelMetrics": "in_memory",
    "model_metrics": "in_memory",
    "Health": "probing.measure",
    "probe": "probing.measure",
    "ProbeCallback": "probing.callback",
    "Watch": "probing.watch",
    "centre_head": "probing.remedies",
    "float32_logits": "probing.remedies",
    "mu_loss": "probing.remedies",
    "z_loss": "probing.remedies",
}
__all__ = [
    "Health", "ModelMetrics", "ProbeCallback", "Watch",
    "centre_head", "float32_logits", "model_metrics", "mu_loss", "probe", "z_loss",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import what needs PyTorch where it is first used."""
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"lm_saturation.{MODULES[name]}"), name)
