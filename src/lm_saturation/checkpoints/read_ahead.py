"""The models of some checkpoints, one at a time; the next is read while one is in use."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from lm_saturation.checkpoints.loading import load_model
from lm_saturation.errors import InputError

BLOCK = 1 << 24  # bytes read at a time


def load_models(paths: Sequence[Path], dtype: torch.dtype) -> Iterator[Any]:
    """Each checkpoint's model, or the InputError that it raised.

    While transformers builds a model, it sets PyTorch's default type for all threads. That changes nothing in float32;
    otherwise the other thread only brings the files into the system's cache.
    """
    ahead = _load if dtype == torch.float32 else _read_through
    with ThreadPoolExecutor(1) as thread:
        coming: Future[Any] | None = None
        for number, path in enumerate(paths):
            model = coming.result() if coming else None
            if model is None:
                model = _load(path, dtype)
            coming = thread.submit(ahead, paths[number + 1], dtype) if number + 1 < len(paths) else None
            yield model


def _load(path: Path, dtype: torch.dtype) -> Any:
    try:
        return load_model(path, dtype, "cpu").eval()
    except InputError as error:
        return error


def _read_through(path: Path, _dtype: torch.dtype) -> None:
    for file in path.iterdir():
        with file.open("rb") as stream:
            while stream.read(BLOCK):
                pass
