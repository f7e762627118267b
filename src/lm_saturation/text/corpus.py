"""A corpus as a table: its documents, long ones cut into pieces where few tokenizers make a token across the cut."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lm_saturation.errors import InputError
from lm_saturation.io.logs import progress
from lm_saturation.io.tables import write_tables

PIECE = 1 << 20  # characters; longer documents are stored, and later tokenised, in pieces
BATCH = 1 << 22  # characters written at a time
BYTES_PER_TOKEN = 8  # of text, read for each token of `max_tokens`; tokenizers need 3 to 6 on most text
# After a single new line, or before a single space: byte-level tokenizers make no token across these. But a slash
# after punctuation and a new line is one token with them in o200k (GPT-4o), whose pattern ends in [\r\n/]*. Whether a
# tokenizer does is tried when it is used (encoding.py).
SAFE_CUT = re.compile(r"\S(?:\n(?=[^\s/])|(?= \S))")

Row = tuple[int, int, str]  # document, piece, text


def cut_pieces(pieces: Iterable[str], longest: int = PIECE) -> Iterator[str]:
    """The document of these pieces in new pieces of about `longest` characters, cut at safe places."""
    rest = ""
    for piece in pieces:
        rest += piece
        begin = 0  # the rest is cut once a piece, not once a cut: a piece may be a whole document
        while len(rest) - begin > longest:
            match = SAFE_CUT.search(rest, begin + longest, begin + 2 * longest + 1)
            if match is None and len(rest) - begin <= 2 * longest:
                break  # no safe place yet: wait for more text
            end = match.end() if match else begin + longest
            yield rest[begin:end]
            begin = end
        rest = rest[begin:]
    if rest:
        yield rest


def write_corpus(
    name: str,
    documents: Iterable[Iterable[str]],
    table: str | Path,
    maximum_bytes: float = float("inf"),
    *,
    may_be_empty: bool = False,
) -> dict[str, Any]:
    """Write the table `corpus_text` of the documents that hold text; return their number, characters, bytes, sha256.

    The last piece written is that which reaches `maximum_bytes`. The sha256 is over the UTF-8 text, each document
    followed by one NUL byte. Raises InputError if there is no text, unless it `may_be_empty`.
    """
    text = _CountedText(maximum_bytes)

    def parts() -> Iterator[dict[str, Any]]:
        yield from _batches(name, text.rows(progress(documents, f"corpus {name}", unit="document")))
        if not text.documents and not may_be_empty:
            raise InputError(f"corpora.{name}: there is no text in it")

    write_tables("corpus_text", table, parts())
    return {
        "documents": text.documents,
        "characters": text.characters,
        "bytes": text.bytes,
        "sha256": text.digest.hexdigest(),
    }


class _CountedText:
    """Text that is counted and hashed while its rows are made, up to a number of bytes."""

    def __init__(self, maximum_bytes: float) -> None:
        self.maximum_bytes = maximum_bytes
        self.documents = self.characters = self.bytes = 0
        self.digest = hashlib.sha256()

    def rows(self, documents: Iterable[Iterable[str]]) -> Iterator[Row]:
        """The rows of the table `corpus_text`; documents without text have none."""
        for pieces in documents:
            yield from self._document_rows(pieces)
            if self.bytes >= self.maximum_bytes:
                return

    def _document_rows(self, pieces: Iterable[str]) -> Iterator[Row]:
        piece = -1
        for piece, text in enumerate(cut_pieces(pieces)):
            data = text.encode("utf-8", "replace")  # a lone surrogate, legal in JSON, becomes "?"
            self.digest.update(data)
            self.characters += len(text)
            self.bytes += len(data)
            yield self.documents, piece, data.decode("utf-8")
            if self.bytes >= self.maximum_bytes:
                break
        if piece >= 0:
            self.digest.update(b"\0")
            self.documents += 1


def _batches(corpus: str, rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """The columns of the table, about BATCH characters at a time."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row[2])
        if size > BATCH:
            yield _columns(corpus, batch)
            batch, size = [], 0
    if batch:
        yield _columns(corpus, batch)


def _columns(corpus: str, batch: list[Row]) -> dict[str, Any]:
    document, piece, text = zip(*batch, strict=True)
    return {"corpus": corpus, "document": document, "piece": piece, "text": text}
