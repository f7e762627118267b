"""Checkpoints in one file of PyTorch: nanoGPT's ckpt.pt, and those of which a config.json beside them says the model.

Lightning's .ckpt and Composer's .pt (llm-foundry) hold the weights below other names, each with the same prefix.
"""

import pickle
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lm_saturation.checkpoints.weight_files import CONFIG
from lm_saturation.errors import InputError
from lm_saturation.probing.nanogpt import nanogpt_model

PLACES = (("model",), ("state_dict",), ("model_state_dict",), ("state", "model"), ())  # of the weights in the file
HARMLESS: list[Any] = [  # of the times and random states that Composer keeps beside weights; none runs code of a file
    timedelta,
    np.ndarray,
    np.dtype,
    np.dtypes.UInt32DType,
    *((np.zeros(0).__reduce__()[0], f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
]


def load_pickle(path: Path) -> Any:
    """The model of transformers in a file of PyTorch, in float32, for evaluation.

    Raises InputError, in one line, if the file is damaged or holds more than tensors and plain values, or nothing says
    which model it is of.
    """
    held = _read(path)
    try:
        if isinstance(held.get("model_args"), Mapping):
            return nanogpt_model(held["model_args"], _weights(held)).float()
        return _by_config(path, _weights(held))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file by name. Raises InputError if it is damaged, or holds none."""
    return _weights(_read(path))


def _read(path: Path) -> Mapping[str, Any]:
    try:
        with torch.serialization.safe_globals(HARMLESS):
            held = torch.load(path, map_location="cpu", weights_only=True)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: it is damaged, or holds other things than tensors and plain values, which are never run; save "
            'model.state_dict() alone, as {"model": ...}'
        ) from error
    except Exception as error:  # of many classes: a damaged archive, an empty file
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: not a file of PyTorch, or truncated ({reason})") from error
    if not isinstance(held, Mapping):
        raise InputError(f"{path}: it holds a {type(held).__name__}; allowed: a dictionary with the weights")
    return held


def _weights(held: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The tensors by name, wherever they are in the file. Raises InputError if there are none."""
    for place in PLACES:
        inside: Any = held
        for key in place:
            inside = inside.get(key) if isinstance(inside, Mapping) else None
        if isinstance(inside, Mapping):
            tensors = {str(name): value for name, value in inside.items() if isinstance(value, torch.Tensor)}
            if any(tensor.ndim > 1 for tensor in tensors.values()):
                return {name.replace("_orig_mod.", ""): tensor for name, tensor in tensors.items()}
    raise InputError("no weights in it; allowed below: " + ", ".join(".".join(place) for place in PLACES if place))


def _by_config(path: Path, weights: dict[str, torch.Tensor]) -> Any:
    """The model that the config.json beside the file describes, with these weights."""
    from transformers import AutoConfig, AutoModelForCausalLM

    if not (path.parent / CONFIG).is_file():
        raise InputError(f"nothing says which model it is; put its {CONFIG} of transformers beside it")
    try:
        config = AutoConfig.from_pretrained(path.parent, local_files_only=True, trust_remote_code=False)
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False).float()
        missing, unexpected = model.load_state_dict(_without_prefix(weights, model.state_dict()), strict=False)
    except Exception as error:  # of many classes: an unknown architecture, weights of another shape
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"cannot be loaded as {CONFIG} beside it says: {reason}") from error
    model.tie_weights()
    tied = set(getattr(model, "all_tied_weights_keys", None) or ())
    if lacking := sorted(set(missing) - tied):
        raise InputError(f"no weights for {lacking[0]} ({len(lacking)} of the model's lack them)")
    if unexpected:
        raise InputError(f"weights that the model has no place for: {unexpected[0]} ({len(unexpected)} in all)")
    for name, parameter in model.named_parameters():
        if not torch.isfinite(parameter).all():
            raise InputError(f"the parameter {name} holds values that are not finite")
    return model.eval()


def _without_prefix(weights: dict[str, torch.Tensor], own: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights below the names that the model has: without what stands before all of them."""
    name = next(iter(own))
    prefixes = {key.removesuffix(name) for key in weights if key.endswith(name)} or {""}
    prefix = min(prefixes, key=len)
    return {key.removeprefix(prefix): tensor for key, tensor in weights.items() if key.startswith(prefix)}
