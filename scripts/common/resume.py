"""What a long training keeps on disk so that a killed run goes on, and how it knows that it may."""

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import torch

from scripts.common.jobs import log, whole_file


def fingerprint_of(**decisive: Any) -> str:
    """sha256 of everything that decides the outcome."""
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def write_state(path: Path, fingerprint: str, state: dict[str, Any]) -> None:
    """Write a state of tensors, numbers, lists and mappings, whole or not at all. OSError if the disk is full."""
    with whole_file(path) as partial, partial.open("wb") as file:
        try:
            torch.save({"fingerprint": fingerprint, **state}, file)
        except RuntimeError as error:  # PyTorch's own, raised while that of the file goes by
            raise error.__context__ if isinstance(error.__context__, OSError) else error  # noqa: B904


def read_state(path: Path, fingerprint: str) -> dict[str, Any] | None:
    """The state written last; None if there is none, it cannot be read, or is of another fingerprint."""
    if not path.is_file():
        return None
    try:
        kept = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        log.warning("%s cannot be read (%s): training begins again", path, type(error).__name__)
        return None
    if kept.pop("fingerprint") != fingerprint:
        log.warning("%s is of another configuration: training begins again", path)
        return None
    return kept
