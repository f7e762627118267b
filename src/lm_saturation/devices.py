"""Devices: the one that the configuration asks for, and whether this machine has a GPU."""

import shutil
from pathlib import Path

from lm_saturation.errors import InputError

GPU_FILES = ("nvidia[0-9]*", "kfd", "dxg", "nvhost-gpu")  # in /dev: NVIDIA's, AMD's, Windows' under Linux, Jetson's


def find_device(name: str, key: str) -> str:
    """The device `name`, cpu or cuda, that the configuration names under `key`.

    Raises InputError if PyTorch sees no GPU where one is asked for.
    """
    if name == "cuda":
        import torch  # here, because it takes seconds and most jobs ask for the CPU

        if not torch.cuda.is_available():
            raise no_gpu_error(key)
    return name


def has_gpu(folder: str = "/dev") -> bool:
    """Whether the machine shows any sign of a GPU. PyTorch would know for certain, but takes seconds to import."""
    return bool(shutil.which("nvidia-smi")) or any(any(Path(folder).glob(pattern)) for pattern in GPU_FILES)


def no_gpu_error(*keys: str) -> InputError:
    """The error to raise where these keys of the configuration ask for a GPU and there is none."""
    names = ", ".join(keys) + (" is" if len(keys) == 1 else " are")
    return InputError(f"{names} cuda, but there is no GPU here that PyTorch can use; allowed here is cpu")
