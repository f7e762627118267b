"""How often a token follows itself: Su (2023) takes it that the next token is another one."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm_saturation.text.splits import Documents


def repeat_columns(*parts: Documents) -> dict[str, Any]:
    """The share of tokens equal to the one before them in their document, and its standard error over documents."""
    counted = [document_repeats(part) for part in parts]
    repeats, pairs = (np.concatenate(columns) for columns in zip(*counted, strict=True))
    if not pairs.sum():
        return {"repeat_share": None, "repeat_error": None}
    share, documents = float(repeats.sum() / pairs.sum()), len(pairs)
    squares = float(((repeats - share * pairs) ** 2).sum())
    error = math.sqrt(documents / (documents - 1) * squares) / float(pairs.sum()) if documents > 1 else None
    return {"repeat_share": share, "repeat_error": error}


def document_repeats(part: Documents) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each document that has two tokens (documents,): pairs of equal neighbours, and pairs of neighbours."""
    before = np.concatenate([[0], np.cumsum(part.ids[1:] == part.ids[:-1])])  # pairs that begin before a place
    begins = np.concatenate([[0], part.ends[:-1]])
    long = part.ends - begins > 1
    begins, lasts = begins[long], part.ends[long] - 1
    return (before[lasts] - before[begins]).astype(float), (lasts - begins).astype(float)
