"""Token files: raw little-endian ids, the end of each document, and a JSON record beside them.

{name}.bin        the ids, of 1, 2 or 4 bytes each: the smallest width that holds the vocabulary
{name}.ends.bin   the position just past each document's last token, int64
{name}.json       vocabulary_size, tokens, documents, corpus, tokenizer, and the sha256 of both files
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm_saturation.errors import InputError
from lm_saturation.io.atomic import atomic_write


@dataclass(frozen=True)
class Tokens:
    """A corpus as token ids: `ids` (T,) memory-mapped, `ends` (documents,) int64, and the JSON record."""

    ids: NDArray[Any]
    ends: NDArray[np.int64]
    record: dict[str, Any]

    @property
    def vocabulary_size(self) -> int:
        """One more than the largest id the tokenizer can give."""
        return int(self.record["vocabulary_size"])


def token_dtype(vocabulary_size: int) -> np.dtype[Any]:
    """The smallest unsigned integer that holds every id below `vocabulary_size`.

    Raises ValueError above 2^32.
    """
    for width in ("<u1", "<u2", "<u4"):
        if vocabulary_size <= 1 << 8 * np.dtype(width).itemsize:
            return np.dtype(width)
    raise ValueError(f"vocabulary_size is {vocabulary_size}; at most 2^32 ids are supported")


def write_tokens(
    record_path: str | Path, documents: Iterable[NDArray[Any]], vocabulary_size: int, keys: dict[str, Any]
) -> dict[str, Any]:
    """Write documents of token ids beside the JSON record at `record_path`, one by one, and return the record.

    `keys` are what else the record says: the corpus, the tokenizer. Raises ValueError if an id does not fit the
    vocabulary.
    """
    record_path = Path(record_path)
    dtype = token_dtype(vocabulary_size)
    ids_hash, ends_hash, count, total = hashlib.sha256(), hashlib.sha256(), 0, 0
    with (
        atomic_write(_ids_path(record_path)) as ids_partial,
        atomic_write(_ends_path(record_path)) as ends_partial,
        ids_partial.open("wb") as ids_file,
        ends_partial.open("wb") as ends_file,
    ):
        for ids in documents:
            if len(ids) and int(ids.max()) >= vocabulary_size:
                raise ValueError(f"token id {ids.max()} is not below the vocabulary size {vocabulary_size}")
            data = ids.astype(dtype).tobytes()
            ids_hash.update(data)
            ids_file.write(data)
            total += len(ids)
            count += 1
            end = total.to_bytes(8, "little")
            ends_hash.update(end)
            ends_file.write(end)
    record = {
        "vocabulary_size": vocabulary_size,
        "bytes_per_token": dtype.itemsize,
        "documents": count,
        "tokens": total,
        "sha256": ids_hash.hexdigest(),
        "ends_sha256": ends_hash.hexdigest(),
        **keys,
    }
    with atomic_write(record_path) as partial:
        partial.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return record


def read_record(record_path: str | Path) -> dict[str, Any]:
    """The JSON record of a token file."""
    return json.loads(Path(record_path).read_text(encoding="utf-8"))


def open_tokens(record_path: str | Path) -> Tokens:
    """Memory-map a token file and check it against the sha256 of its record.

    Raises InputError if a file is missing, truncated or altered.
    """
    record_path = Path(record_path)
    record = read_record(record_path)
    dtype = token_dtype(record["vocabulary_size"])
    ids = _memory_map(_ids_path(record_path), dtype, record["tokens"], record["sha256"])
    ends = _memory_map(_ends_path(record_path), np.dtype("<i8"), record["documents"], record["ends_sha256"])
    return Tokens(ids, ends, record)


def open_shards(paths: Iterable[str | Path]) -> list[Tokens]:
    """The token files of the shards of a corpus, in order; `paths` are all their files: .json, .bin and .ends.bin.

    Raises InputError as `open_tokens`.
    """
    return [open_tokens(path) for path in map(Path, paths) if path.suffix == ".json"]


def _memory_map(path: Path, dtype: np.dtype[Any], length: int, sha256: str) -> NDArray[Any]:
    if not path.is_file() or path.stat().st_size != length * dtype.itemsize:
        raise InputError(f"{path}: missing or not {length * dtype.itemsize} bytes long; delete it and run again")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != sha256:
        raise InputError(f"{path}: its sha256 is not the one in its record; delete it and run again")
    return np.memmap(path, dtype, mode="r") if length else np.empty(0, dtype)


def _ids_path(record_path: Path) -> Path:
    return record_path.with_suffix(".bin")


def _ends_path(record_path: Path) -> Path:
    return record_path.with_suffix(".ends.bin")
