"""Models of nanoGPT as GPT-2 of transformers: the same network, its linear maps transposed, biases 0 where it has none.

model = nanogpt_model(checkpoint["model_args"], checkpoint["model"])
"""

from collections.abc import Mapping
from typing import Any

import torch

from lm_saturation.errors import InputError

TRANSPOSED = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
ARGUMENTS = {
    "n_layer": "n_layer",
    "n_head": "n_head",
    "n_embd": "n_embd",
    "block_size": "n_positions",
    "vocab_size": "vocab_size",
}
ATTENTION_MASKS = (".attn.bias", ".attn.masked_bias")  # buffers of old versions


def is_nanogpt(model: Any) -> bool:
    """Whether a module has the parts and the configuration of nanoGPT's GPT."""
    config, trunk = getattr(model, "config", None), getattr(model, "transformer", None)
    return (
        not hasattr(model, "get_output_embeddings")
        and all(hasattr(config, name) for name in ARGUMENTS)
        and isinstance(trunk, torch.nn.ModuleDict)
        and {"wte", "wpe", "h", "ln_f"} <= trunk.keys()
    )


def nanogpt_in_memory(model: Any) -> Any:
    """A copy of a module of nanoGPT as a model of transformers, on the same device. Raises InputError as below."""
    arguments = {name: getattr(model.config, name) for name in ARGUMENTS}
    return nanogpt_model(arguments, model.state_dict())


@torch.no_grad()
def nanogpt_model(arguments: Mapping[str, Any], state: Mapping[str, torch.Tensor]) -> Any:
    """The model of a checkpoint's `model_args` and `model`, for evaluation.

    Raises InputError if an argument is missing, or the weights are not those of nanoGPT's GPT.
    """
    from transformers import GPT2Config, GPT2LMHeadModel

    if absent := [name for name in ARGUMENTS if name not in arguments]:
        raise InputError(f"model_args lacks {', '.join(absent)}; allowed: a checkpoint of nanoGPT's GPT")
    state = {name.removeprefix("_orig_mod."): tensor for name, tensor in state.items()}
    state = {name: tensor for name, tensor in state.items() if not name.endswith(ATTENTION_MASKS)}
    sizes: dict[str, Any] = {ours: int(arguments[name]) for name, ours in ARGUMENTS.items()}
    tied = "lm_head.weight" not in state or torch.equal(state["lm_head.weight"], state["transformer.wte.weight"])
    none: dict[str, Any] = {"bos_token_id": None, "eos_token_id": None}
    config = GPT2Config(**sizes, **none, activation_function="gelu", tie_word_embeddings=tied)
    with torch.device("meta"):
        model: Any = GPT2LMHeadModel(config)
    first = next(iter(state.values()))
    model = model.to_empty(device=first.device).to(first.dtype)
    model.tie_weights()
    _copy(model, state)
    return model.eval()


def _copy(model: Any, state: Mapping[str, torch.Tensor]) -> None:
    """Fill the model's parameters. Raises InputError if one has no weights, of another shape, or one has no place."""
    own = dict(model.named_parameters())
    for name, parameter in own.items():
        tensor = state.get(name)
        if tensor is None and name.endswith(".bias"):  # nanoGPT with bias=False
            parameter.zero_()
            continue
        if tensor is not None and name.endswith(TRANSPOSED):
            tensor = tensor.T
        if tensor is None or tensor.shape != parameter.shape:
            found = "no weights" if tensor is None else f"weights of shape {tuple(tensor.shape)}"
            raise InputError(f"{name}: {found}, expected {tuple(parameter.shape)}; allowed: nanoGPT's GPT, unchanged")
        parameter.copy_(tensor)
    if others := sorted(state.keys() - own.keys() - {"lm_head.weight"}):
        raise InputError(f"weights that GPT-2 has no place for: {others[0]}; allowed: nanoGPT's GPT, unchanged")
