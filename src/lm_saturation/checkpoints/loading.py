"""Loading of checkpoints from disk, from folders step{step}.

for step, folder in list_checkpoints(span_folder):
    model = load_model(folder, torch.float32, "cpu")
"""

import json
import pickle
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from lm_saturation.checkpoints.patterns import folder_of
from lm_saturation.checkpoints.weight_files import CONFIG, FORMS, WeightFiles, other_weights, paths_in, weights_at
from lm_saturation.errors import InputError
from lm_saturation.io.gguf_file import quantisation
from lm_saturation.io.logs import ProgressBar, log, redirect_log

SHOWN = 3  # parameters named in a line
GGUF_ARCHITECTURES = "those that transformers reads from GGUF, such as llama, qwen2, gpt2 and gemma2"


def list_checkpoints(folder: str | Path) -> list[tuple[int, Path]]:
    """The step and the folder of each checkpoint, by step."""
    matches = [(re.fullmatch(r"step(\d+)", path.name), path) for path in Path(folder).iterdir()]
    return sorted((int(match[1]), path) for match, path in matches if match)


def load_model(place: str | Path, dtype: torch.dtype, device: str = "cpu") -> Any:
    """The causal language model of a checkpoint, a folder or a GGUF file, for evaluation, its parameters in `dtype`.

    Only files of the folder are read, pickles with weights_only, and none of its code is run. Quantised weights of a
    GGUF file are dequantised. Raises InputError, one line naming the folder or file, if a file is missing, damaged or
    malicious, if a parameter has no weights or is not finite, or if transformers does not know the architecture.
    """
    place = Path(place)
    folder, files = folder_of(place), weights_at(place)
    if files.status != "ok":
        absent = ", ".join(files.absent) or FORMS
        others = other_weights([file.relative_to(folder).as_posix() for file in paths_in(folder)])
        held = f"; it holds {', '.join(others[:SHOWN])}, which is not read" if others else ""
        raise InputError(f"{folder}: incomplete checkpoint, it lacks {absent}{held}")
    integers: set[str] = set()
    if files.format != "gguf":
        _check_config(folder / CONFIG)
    if files.format == "safetensors":
        integers = {name for file in files.weights for name in _integer_tensors(folder / file)}
    if types := quantisation_of(place):
        log.info("%s: quantised weights (%s), dequantised", folder, types)
    model = _read_model(folder, files, dtype)
    _check_finite(model, folder)
    _check_types(model, integers, folder)
    return model.to(device)


def quantisation_of(place: Path) -> str | None:
    """The quantised types that a checkpoint's weights are stored in, and their shares; None of others than GGUF.

    Raises InputError if its GGUF file is damaged, or the package gguf is missing.
    """
    files = weights_at(place)
    return quantisation(folder_of(place) / files.weights[0]) if files.format == "gguf" else None


def handle_bad_checkpoints(bad: list[str], good: int, policy: str) -> None:
    """Log the bad checkpoints, and raise InputError if the `policy` is refuse, or if all are bad.

    `bad` holds a message for each of them, `good` is the number of the others.
    """
    for message in bad:
        log.warning(message)
    more = f" (and {len(bad) - 1} more, see the log)" if len(bad) > 1 else ""
    if bad and not good:  # which is the config's fault rather than the checkpoints'
        raise InputError(f"{bad[0]}{more}; none could be measured")
    if bad and policy == "refuse":
        raise InputError(f"{bad[0]}{more}; with bad_checkpoints: skip they are left out")


def _check_config(path: Path) -> None:
    """Raise InputError if a config.json is no JSON object, which transformers says in words of its own code."""
    try:
        config = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise InputError(f"{path}: not a JSON object, or truncated; allowed: the config.json of transformers")


def _integer_tensors(path: Path) -> list[str]:
    """The tensors of a safetensors file that its header says are integers.

    Raises InputError if the header cannot be read, or names more bytes than there are.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            types = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
            return [name for name in types if types[name].startswith(("I", "U", "BOOL"))]
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a safetensors file, or truncated ({_one_line(error)})") from error


def _read_model(folder: Path, files: WeightFiles, dtype: torch.dtype) -> Any:
    """The model, for evaluation. Raises InputError if it cannot be read or a parameter has no weights."""
    _redirect_transformers_log()
    try:
        model, info = _from_pretrained(folder, files, dtype)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # of many classes: damaged files, unknown architectures, weights of another shape
        others = f"; allowed: {GGUF_ARCHITECTURES}" if files.format == "gguf" else ""
        raise InputError(f"{folder}: cannot be loaded from {_shown_files(files)}: {_reason(error)}{others}") from error
    for key, found, expected in sorted(info["mismatched_keys"], key=lambda entry: str(entry[0]))[:1]:
        empty = ": empty, as ZeRO-3 leaves what was not gathered" if 0 in found else ""
        shapes = f"of shape {tuple(found)}, the architecture's is {tuple(expected)}"
        raise InputError(f"{folder}: {_shown_files(files)} holds {key} {shapes}{empty}")
    if lacking := sorted(info["missing_keys"]):
        others = f"; it holds {_shown(info['unexpected_keys'])}" if info["unexpected_keys"] else ""
        raise InputError(f"{folder}: {_shown_files(files)} holds no weights for {_shown(lacking)}{others}")
    if beyond := _layers_beyond(model, info["unexpected_keys"]):
        layers = getattr(model.config.get_text_config(), "num_hidden_layers", "fewer")
        raise InputError(
            f"{folder}: {_shown_files(files)} holds {_shown(beyond)}; its config.json says {layers} layers"
        )
    if info["unexpected_keys"]:
        log.warning("%s: weights that the architecture has no place for: %s", folder, _shown(info["unexpected_keys"]))
    return model.eval()


def _layers_beyond(model: torch.nn.Module, names: Iterable[str]) -> list[str]:
    """Those of these weights that belong to layers after the last one that the model has."""
    lists = {
        f".{name}": len(module) for name, module in model.named_modules() if isinstance(module, torch.nn.ModuleList)
    }

    def is_beyond(name: str) -> bool:
        numbered = re.match(r"(.*?)\.(\d+)\.", name)
        return numbered is not None and any(
            place.endswith(f".{numbered[1]}") and int(numbered[2]) >= length for place, length in lists.items()
        )

    return [name for name in names if is_beyond(name)]


def _from_pretrained(folder: Path, files: WeightFiles, dtype: torch.dtype) -> tuple[Any, dict[str, Any]]:
    """The model, and which of its parameters had no weights, or weights no parameter."""
    from transformers import AutoModelForCausalLM

    loaded: Any = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=dtype,
        use_safetensors=files.format == "safetensors",
        gguf_file=files.weights[0] if files.format == "gguf" else None,
        weights_only=True,  # a pickle may hold tensors only, no calls
        trust_remote_code=False,
        local_files_only=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # they are in that, and named below
    )
    return loaded


def _check_finite(model: torch.nn.Module, folder: Path) -> None:
    for name, parameter in model.named_parameters():
        if parameter.numel() and not all(torch.isfinite(bound) for bound in torch.aminmax(parameter.detach())):
            raise InputError(f"{folder}: the parameter {name} holds values that are not finite in {parameter.dtype}")


def _check_types(model: Any, integers: set[str], folder: Path) -> None:
    """Raise InputError if a parameter was read from integers that no quantisation explains: the header is wrong."""
    if getattr(model.config, "quantization_config", None) is not None:
        return
    for name, parameter in model.named_parameters():
        if name in integers and parameter.is_floating_point():
            raise InputError(f"{folder}: the file's header says that {name} holds integers, which are no weights")


def _redirect_transformers_log() -> None:
    """Send the errors that transformers logs to the job's log, and nothing to the screen."""
    from transformers import modeling_gguf_pytorch_utils
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    redirect_log("transformers")
    reader: Any = modeling_gguf_pytorch_utils
    reader.tqdm = ProgressBar  # which no setting of transformers reaches


def _shown_files(files: WeightFiles) -> str:
    return files.weights[0] if len(files.weights) == 1 else f"{files.weights[0]}, ..."


def _shown(names: Any) -> str:
    names = sorted(names)
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _reason(error: BaseException) -> str:
    """The error in one line; PyTorch's own message on a pickle advises to read it without protection."""
    if isinstance(error, pickle.UnpicklingError):
        return "it is damaged, or holds something else than tensors, which is never run"
    if isinstance(error, EOFError):
        return "it is empty, or truncated"
    return _one_line(error)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
