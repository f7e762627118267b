"""Checkpoints as OLMo's own trainer writes them (config.yaml with model.pt or model.safetensors), unsharded.

OLMo 1 and 2 are the same networks as Olmo and Olmo2 of transformers, under other names, with some matrices joined.
"""

import base64
import pickletools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from lm_saturation.errors import InputError
from lm_saturation.probing.checkpoints import OLMO, OLMO_WEIGHTS
from lm_saturation.probing.pickles import read_tensors

CONVERT = "convert it with transformers' convert_olmo_weights_to_hf.py"
DEFAULTS = {  # of OLMo's configuration, where it says nothing
    "activation_type": "swiglu",
    "block_type": "sequential",
    "alibi": False,
    "rope": False,
    "scale_logits": False,
    "layer_norm_type": "default",
    "layer_norm_eps": 1e-5,
    "norm_after": False,
    "attention_layer_norm": False,
    "max_sequence_length": 1024,
    "rope_theta": 10_000.0,
    "clip_qkv": None,
}
BOTH = {"activation_type": "swiglu", "block_type": "sequential", "alibi": False, "rope": True, "scale_logits": False}
FIRST = BOTH | {"layer_norm_eps": 1e-5, "norm_after": False, "attention_layer_norm": False}
SECOND = BOTH | {"layer_norm_type": "rms", "norm_after": True, "attention_layer_norm": True, "clip_qkv": None}
LAYER = {  # of both, by OLMo's name
    "attn_out": "self_attn.o_proj",
    "ff_out": "mlp.down_proj",
    "q_norm": "self_attn.q_norm",
    "k_norm": "self_attn.k_norm",
    "attn_norm": "post_attention_layernorm",
    "ff_norm": "post_feedforward_layernorm",
}
OTHERS = {"wte": "model.embed_tokens", "ff_out": "lm_head", "ln_f": "model.norm"}


def load_olmo(folder: Path) -> Any:
    """The model of transformers of a checkpoint, in float32, for evaluation.

    Raises InputError, in one line, if a file is damaged or the model is one that transformers does not have.
    """
    file = next((folder / name for name in OLMO_WEIGHTS if (folder / name).is_file()), None)
    if file is None:
        raise InputError(f"{folder}: sharded; allowed: what OLMo's scripts/unshard.py makes of it")
    try:
        settings = _settings(folder / OLMO)
        state = _renamed(_read_safetensors(file) if file.suffix == ".safetensors" else read_tensors(file))
        return _model(settings, state)
    except InputError as error:
        message = str(error)
        raise error if str(folder) in message else InputError(f"{folder}: {message}") from error


def _settings(path: Path) -> dict[str, Any]:
    """The section `model`, with defaults. Raises InputError if the file has none, or not what is needed."""
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))["model"]
        needed = {name: int(settings[name]) for name in ("d_model", "n_heads", "n_layers")}
    except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError) as error:
        needs = "d_model, n_heads and n_layers in its section model"
        raise InputError(f"{path}: no configuration of OLMo, which has {needs}") from error
    return DEFAULTS | settings | needed


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors by name. OLMo writes names as pickles, of which only the strings are read: nothing is run."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return {_name(key): tensor for key, tensor in load_file(path).items()}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a safetensors file, or truncated") from error


def _name(key: str) -> str:
    if key.startswith("transformer."):
        return key
    try:
        codes = pickletools.genops(base64.urlsafe_b64decode(key))
        return ".".join(str(argument) for code, argument, _ in codes if "UNICODE" in code.name)
    except ValueError:
        return key


def _renamed(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors under the names of transformers; those joined in OLMo are still so. Others keep their names."""
    found = {}
    for name, tensor in state.items():
        first, *rest = name.removeprefix("transformer.").split(".")
        if first == "blocks" and len(rest) == 3:
            found[f"model.layers.{rest[0]}.{LAYER.get(rest[1], rest[1])}.{rest[2]}"] = tensor
        else:
            found[".".join([OTHERS.get(first, first), *rest])] = tensor
    return found


def _model(settings: Mapping[str, Any], joined: dict[str, torch.Tensor]) -> Any:
    """The model. Raises InputError if transformers has none like it, or weights and configuration do not fit."""
    from transformers import Olmo2Config, Olmo2ForCausalLM, OlmoConfig, OlmoForCausalLM

    second = bool(settings["norm_after"])
    _check_same(settings, SECOND if second else FIRST)
    if not second and settings["layer_norm_type"] == "rms":
        raise InputError(f"layer_norm_type is rms and norm_after false, which no model of transformers is; {CONVERT}")
    width, heads = settings["d_model"], settings["n_heads"]
    try:
        rows = joined["model.embed_tokens.weight"].shape[0]
        inner = joined["model.layers.0.mlp.down_proj.weight"].shape[1]
        keys = (joined["model.layers.0.att_proj.weight"].shape[0] - width) // 2
    except KeyError as error:
        raise InputError(f"no weights for {error.args[0]}; {CONVERT}") from error
    tied = "lm_head.weight" not in joined
    sizes: dict[str, Any] = {
        "vocab_size": rows,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": settings["n_layers"],
        "num_attention_heads": heads,
        "num_key_value_heads": keys * heads // width,
        "max_position_embeddings": settings["max_sequence_length"],
        "rope_parameters": {"rope_type": "default", "rope_theta": float(settings["rope_theta"])},
        "tie_word_embeddings": tied,
        "pad_token_id": None,
        "eos_token_id": None,
    }
    if second:
        model: Any = Olmo2ForCausalLM(Olmo2Config(**sizes, rms_norm_eps=settings["layer_norm_eps"]))
    else:
        model = OlmoForCausalLM(OlmoConfig(**sizes, clip_qkv=settings["clip_qkv"]))
    state = dict(_separated(joined, width, keys))
    if tied:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    try:
        model.float().load_state_dict(state)
    except RuntimeError as error:  # of names or shapes
        reason = " ".join(str(error).split("\n\t")[1:])[:200]
        raise InputError(f"the weights are not those of {type(model).__name__}: {reason}; {CONVERT}") from error
    return model.eval()


def _check_same(settings: Mapping[str, Any], needed: Mapping[str, Any]) -> None:
    for name, value in needed.items():
        if settings[name] != value:
            raise InputError(f"{name} is {settings[name]}; allowed: {value}, as models of transformers have it")


def _separated(joined: Mapping[str, torch.Tensor], width: int, keys: int) -> Iterator[tuple[str, torch.Tensor]]:
    """Queries, keys and values apart, and the two halves of the feed-forward network's first matrix."""
    for name, tensor in joined.items():
        if name.endswith(".att_proj.weight"):
            parts = tuple(f"self_attn.{part}_proj" for part in "qkv")
            tensors = tensor.split([width, keys, keys])
        elif name.endswith(".ff_proj.weight"):
            parts, tensors = ("mlp.up_proj", "mlp.gate_proj"), tensor.chunk(2)
        else:
            yield name, tensor
            continue
        before = name.rsplit(".", 2)[0]
        yield from ((f"{before}.{part}.weight", own) for part, own in zip(parts, tensors, strict=True))
