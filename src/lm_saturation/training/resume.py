"""The state of a training run on disk, from which a killed run resumes, and the fingerprint of what decides it."""

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import torch

from lm_saturation.io.atomic import atomic_write
from lm_saturation.io.logs import log


def compute_fingerprint(**decisive: Any) -> str:
    """The sha256 of everything that decides a run's outcome: values that JSON can hold."""
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def write_state(path: Path, fingerprint: str, state: dict[str, Any]) -> None:
    """Write a state of tensors, numbers, lists and mappings, complete or not at all. OSError if the disk is full."""
    with atomic_write(path) as partial, partial.open("wb") as file:
        try:
            torch.save({"fingerprint": fingerprint, **state}, file)
        except RuntimeError as error:  # PyTorch's own, in whose context is the file's
            raise error.__context__ if isinstance(error.__context__, OSError) else error  # noqa: B904


def read_state(path: Path, fingerprint: str) -> dict[str, Any] | None:
    """The state that was written last; None if there is none, it cannot be read, or it has another fingerprint."""
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        log.warning("%s cannot be read (%s): training starts again", path, type(error).__name__)
        return None
    if state.pop("fingerprint") != fingerprint:
        log.warning("%s is of another configuration: training starts again", path)
        return None
    return state
