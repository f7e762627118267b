"""The documents of a corpus table in the ids of a tokenizer."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tokenizers import Tokenizer

from lm_saturation.io.logs import progress
from lm_saturation.io.tables import read_parts
from lm_saturation.text.tokenizers import continuing


def tokenise(corpus: str | Path, tokenizer: Tokenizer) -> Iterator[NDArray[np.uint32]]:
    """The ids of each document of the corpus table, without special tokens."""
    continuing_tokenizer = continuing(tokenizer)
    document: int | None = None
    pieces: list[NDArray[np.uint32]] = []
    parts = read_parts("corpus_text", corpus, ["document", "piece", "text"])
    for part in progress(parts, f"tokens of {corpus}", unit="part"):
        for number, ids in zip(
            part["document"].to_pylist(), _encode(part, tokenizer, continuing_tokenizer), strict=True
        ):
            if number != document and pieces:
                yield np.concatenate(pieces)
                pieces = []
            document = number
            pieces.append(ids)
    if pieces:
        yield np.concatenate(pieces)


def _encode(part: pa.Table, tokenizer: Tokenizer, continuing_tokenizer: Tokenizer) -> list[NDArray[np.uint32]]:
    """The ids of each row's text: by `tokenizer` where a document begins, else by the other."""
    numbers, texts = part["piece"].to_pylist(), part["text"].to_pylist()
    ids = [np.empty(0, np.uint32)] * len(texts)
    for encoder, rows in (
        (tokenizer, [row for row, number in enumerate(numbers) if not number]),
        (continuing_tokenizer, [row for row, number in enumerate(numbers) if number]),
    ):
        encodings = encoder.encode_batch_fast([texts[row] for row in rows], add_special_tokens=False)
        for row, encoding in zip(rows, encodings, strict=True):
            ids[row] = np.array(encoding.ids, np.uint32)
    return ids


def first_tokens(documents: Iterable[NDArray[np.uint32]], maximum: int | None) -> Iterator[NDArray[np.uint32]]:
    """The documents up to the `maximum`-th token, the last one cut short; all of them if `maximum` is None."""
    left = float("inf") if maximum is None else maximum
    for ids in documents:
        if left <= 0:
            return
        yield ids if len(ids) <= left else ids[: int(left)]
        left -= len(ids)
