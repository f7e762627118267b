"""Weights in a GGUF file: which types they are stored in. Many are quantised; what is measured is dequantised.

stored_types("model.Q4_1.gguf")  # {"Q4_1": 106168320, "Q8_0": 28311552, "F32": 35136}
"""

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from lm_saturation.errors import InputError

SUFFIX = ".gguf"
FLOATS = {"F64", "F32", "F16", "BF16"}


def open_gguf(path: str | Path) -> Any:
    """A reader of the file, with its fields and tensors. Raises InputError if it is damaged or `gguf` is missing."""
    try:
        from gguf import GGUFReader
    except ImportError as error:
        raise InputError(f"{path}: the package gguf, which reads it, is missing: pip install gguf") from error
    try:
        return GGUFReader(path)
    except MemoryError:
        raise
    except Exception as error:  # of many classes, such as of numpy where a tensor ends beyond the file
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not a GGUF file, or truncated ({reason})") from error


@cache
def stored_types(path: Path) -> dict[str, int]:
    """How many weights are stored in each type, the most frequent first. Raises InputError as `open_gguf`."""
    counts: Counter[str] = Counter()
    for tensor in open_gguf(path).tensors:
        counts[tensor.tensor_type.name] += int(tensor.n_elements)
    return dict(counts.most_common())


def quantisation(path: Path) -> str | None:
    """The quantised types with their share of the weights, as in "Q4_1 79 %, Q8_0 21 %"; None if there are none.

    Raises InputError as `open_gguf`.
    """
    types = stored_types(path)
    total = sum(types.values())
    shares = [f"{name} {100 * count / total:.0f} %" for name, count in types.items() if name not in FLOATS]
    return ", ".join(shares) or None
