"""Checkpoints on disk, in folders step{step}: which there are, and the model in one of them.

for step, folder in checkpoints(span_folder):
    model = load_model(folder, torch.float32, "cpu")
"""

import pickle
import re
from pathlib import Path
from typing import Any

import torch

from scripts.common.errors import no_gpu
from scripts.common.hub_files import log_as_ours
from scripts.common.jobs import InputError, log
from scripts.common.weight_files import Weights, choose_weights

SHOWN = 3  # parameters named in a line


def checkpoints(folder: str | Path) -> list[tuple[int, Path]]:
    """The step and the folder of each checkpoint, by step."""
    named = [(re.fullmatch(r"step(\d+)", path.name), path) for path in Path(folder).iterdir()]
    return sorted((int(name[1]), path) for name, path in named if name)


def load_model(folder: str | Path, dtype: torch.dtype, device: str = "cpu") -> Any:
    """The causal language model of a checkpoint, for evaluation, its parameters in `dtype`.

    Only files of the folder are read, pickles with weights_only, and no code of theirs is run. Raises InputError, one
    line naming the folder or file, if one is missing, damaged or malicious, if parameters have no weights or the
    architecture has no place in transformers, or if a parameter is not finite.
    """
    folder = Path(folder)
    chosen = choose_weights([file.name for file in folder.iterdir()])
    if chosen.status != "ok":
        absent = ", ".join(chosen.absent) or "model.safetensors, pytorch_model.bin or shards of them"
        raise InputError(f"{folder}: not a whole checkpoint, it lacks {absent}")
    if chosen.format == "safetensors":
        for name in chosen.weights:
            _check_header(folder / name)
    model = _read(folder, chosen, dtype)
    _check_finite(model, folder)
    return model.to(device)


def find_device(name: str, key: str) -> str:
    """The device that the config names under `key`. Raises InputError if there is none."""
    if name == "cuda" and not torch.cuda.is_available():
        raise no_gpu(key)
    return name


def settle(bad: list[str], good: int, policy: str) -> None:
    """Raise InputError if there are bad checkpoints, and the suite does not say to go on without them, or all are bad.

    `bad` has a line for each, `good` is the number of the others.
    """
    for line in bad:
        log.warning(line)
    others = f" (and {len(bad) - 1} more, see the log)" if len(bad) > 1 else ""
    if bad and not good:  # which is the config's fault rather than the checkpoints'
        raise InputError(f"{bad[0]}{others}; none could be measured")
    if bad and policy == "refuse":
        raise InputError(f"{bad[0]}{others}; with bad_checkpoints: skip they are left out")


def _check_header(path: Path) -> None:
    """Raise InputError if the file's header cannot be read, or names more bytes than there are."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt"):
            pass
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a safetensors file, or truncated ({_one_line(error)})") from error


def _read(folder: Path, chosen: Weights, dtype: torch.dtype) -> Any:
    from transformers import AutoModelForCausalLM

    _transformers_log_as_ours()
    loaded: Any
    try:
        loaded = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            use_safetensors=chosen.format == "safetensors",
            weights_only=True,  # a pickle may hold tensors only, no calls
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # of many classes: damaged files, unknown architectures, weights of another shape
        raise InputError(f"{folder}: cannot be loaded from {_files(chosen)}: {_reason(error)}") from error
    model, about = loaded
    if lost := sorted([*about["missing_keys"], *(key for key, *_ in about["mismatched_keys"])]):
        raise InputError(f"{folder}: {_files(chosen)} holds no weights for {_some(lost)}")
    if about["unexpected_keys"]:
        log.warning("%s: weights that the architecture has no place for: %s", folder, _some(about["unexpected_keys"]))
    return model.eval()


def _check_finite(model: torch.nn.Module, folder: Path) -> None:
    for name, parameter in model.named_parameters():
        if parameter.numel() and not all(torch.isfinite(bound) for bound in torch.aminmax(parameter.detach())):
            raise InputError(f"{folder}: the parameter {name} holds values that are not finite in {parameter.dtype}")


def _transformers_log_as_ours() -> None:
    """Let transformers write its errors to the job's log, and nothing to the screen."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    log_as_ours("transformers")


def _files(chosen: Weights) -> str:
    return chosen.weights[0] if len(chosen.weights) == 1 else f"{chosen.weights[0]}, ..."


def _some(names: Any) -> str:
    names = sorted(names)
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _reason(error: BaseException) -> str:
    """What is wrong, in one line; PyTorch's own word on a pickle is to read it without protection."""
    if isinstance(error, pickle.UnpicklingError):
        return "it is damaged, or holds something else than tensors, which is never run"
    return _one_line(error)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
