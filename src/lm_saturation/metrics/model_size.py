"""The size of a model and of the sample that it is measured on."""

from typing import TYPE_CHECKING, Any

import torch

from lm_saturation.inference.logits import head_of
from lm_saturation.inference.trunk import text_config
from lm_saturation.metrics.registry import metric

if TYPE_CHECKING:
    from lm_saturation.metrics.forward_pass import ForwardPass


@metric
def columns(forward: "ForwardPass") -> dict[str, Any]:
    """Parameters, layers, width, vocabulary, type; the sample and its tokens."""
    model, sample = forward.model, forward.spec.sample
    head = head_of(model).weight
    return {
        "parameters": sum(weights.numel() for weights in model.parameters()),  # tied ones come once
        "non_embedding_parameters": non_embedding_parameters(model),
        "layers": text_config(model).num_hidden_layers,
        "hidden_size": head.shape[1],
        "head_rows": len(head),
        "vocabulary_size": len(forward.spec.counts),
        "tied": int(head is model.get_input_embeddings().weight),
        "dtype": str(head.dtype).removeprefix("torch."),
        "sample_sha256": sample.sha256,
        "sample_tokens": sample.targets.size,
    }


def non_embedding_parameters(model: Any) -> int:
    """The parameters that are neither in an embedding nor in the LM head."""
    embeddings = [module.weight for module in model.modules() if isinstance(module, torch.nn.Embedding)]
    not_counted = {id(weights) for weights in (*embeddings, *head_of(model).parameters())}
    return sum(weights.numel() for weights in model.parameters() if id(weights) not in not_counted)
