"""The documents of a corpus table in the ids of a tokenizer.

Long documents lie in pieces, cut where few tokenizers make a token across (corpus.py). Whether this tokenizer does is
tried at every cut; where it does, the cut is moved to the next place where it does not.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tokenizers import Tokenizer

from lm_saturation.io.logs import log, progress
from lm_saturation.io.tables import read_parts
from lm_saturation.text.tokenizers import continuing

# Characters on either side of a cut that are tokenised with and without it. Both lengths must agree: where a text
# repeats itself, as a row of digits does, that with one length may be by chance.
WINDOWS = (1024, 1023)
SEARCHED = 1 << 16  # characters after a cut among which another one is looked for
PLACES = re.compile(r"(?<=\n)(?=\S)|(?<=\S)(?=\s)|(?<=\s)(?=\S)|(?<=\w)(?=\W)|(?<=\W)(?=\w)")
TRIED = 200  # of these places

Row = tuple[int, int, str]  # document, piece, text


def tokenise(corpus: str | Path, tokenizer: Tokenizer) -> Iterator[NDArray[np.uint32]]:
    """The ids of each document of the corpus table, without special tokens."""
    continuing_tokenizer = continuing(tokenizer)
    parts = progress(
        read_parts("corpus_text", corpus, ["document", "piece", "text"]), f"tokens of {corpus}", unit="part"
    )
    encoded = (
        encoded
        for rows in safely_cut(map(_rows, parts), continuing_tokenizer)
        for encoded in _encode(rows, tokenizer, continuing_tokenizer)
    )
    for _, pieces in groupby(encoded, key=lambda row: row[0]):
        yield np.concatenate([ids for _, ids in pieces])


def _rows(part: pa.Table) -> list[Row]:
    return list(zip(*(part[name].to_pylist() for name in ("document", "piece", "text")), strict=True))


def safely_cut(parts: Iterable[list[Row]], tokenizer: Tokenizer) -> Iterator[list[Row]]:
    """The rows, in about the same parts, cut where the tokenizer makes no token across.

    Where no such place is found the cut stays, which the log says.
    """
    held: Row | None = None
    for part in parts:
        done: list[Row] = []
        for document, piece, text in part:
            rest = text
            if held and piece:
                end = _safe_end(held, text, tokenizer)
                held, rest = (*held[:2], held[2] + text[:end]), text[end:]
            if held:
                done.append(held)
            held = (document, piece, rest)
        yield done
    if held:
        yield [held]


def _safe_end(before: Row, after: str, tokenizer: Tokenizer) -> int:
    """How much of the text `after` a cut must move to the piece `before` it; 0 where it is safe, or nothing is."""
    left = before[2][-WINDOWS[0] :]
    text = left + after[: SEARCHED + WINDOWS[0]]
    if _is_safe(text, len(left), tokenizer):
        return 0
    places = (place.start() for place in PLACES.finditer(text, len(left) + 1, min(len(left) + SEARCHED, len(text))))
    for _, place in zip(range(TRIED), places, strict=False):
        if _is_safe(text, place, tokenizer):
            return place - len(left)
    if len(after) <= SEARCHED:
        return len(after)
    log.warning(
        "document %d, after piece %d: found no place where the tokenizer makes no token across; "
        "tokens at this cut may be others than those of the uncut text",
        *before[:2],
    )
    return 0


def _is_safe(text: str, place: int, tokenizer: Tokenizer) -> bool:
    """Whether the tokens of the text around a place are those of what is before and of what is after it."""

    def ids(part: str) -> list[int]:
        return tokenizer.encode(part, add_special_tokens=False).ids

    sides = ((text[max(0, place - length) : place], text[place : place + length]) for length in WINDOWS)
    return all(ids(left + right) == ids(left) + ids(right) for left, right in sides)


def _encode(
    rows: list[Row], tokenizer: Tokenizer, continuing_tokenizer: Tokenizer
) -> list[tuple[int, NDArray[np.uint32]]]:
    """The document and the ids of each row: by `tokenizer` where a document begins, else by the other."""
    ids = [np.empty(0, np.uint32)] * len(rows)
    for encoder, places in (
        (tokenizer, [place for place, row in enumerate(rows) if not row[1]]),
        (continuing_tokenizer, [place for place, row in enumerate(rows) if row[1]]),
    ):
        encodings = encoder.encode_batch_fast([rows[place][2] for place in places], add_special_tokens=False)
        for place, encoding in zip(places, encodings, strict=True):
            ids[place] = np.array(encoding.ids, np.uint32)
    return [(document, encoded) for (document, _, _), encoded in zip(rows, ids, strict=True)]


def first_tokens(documents: Iterable[NDArray[np.uint32]], maximum: int | None) -> Iterator[NDArray[np.uint32]]:
    """The documents up to the `maximum`-th token, the last one cut short; all of them if `maximum` is None."""
    left = float("inf") if maximum is None else maximum
    for ids in documents:
        if left <= 0:
            return
        yield ids if len(ids) <= left else ids[: int(left)]
        left -= len(ids)
