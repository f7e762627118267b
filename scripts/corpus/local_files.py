"""Text that lies on disk: .txt, .jsonl and .parquet, each also with .gz or .zst; files, folders or globs."""

import codecs
import glob
import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from scripts.common.jobs import InputError

FORMATS = (".txt", ".md", ".rst", ".py", ".jsonl", ".parquet")
COMPRESSIONS = ("", ".gz", ".zst")
CHUNK = 1 << 20  # bytes read at a time


def find_files(paths: Iterable[str]) -> list[str]:
    """The files that the given files, folders (searched whole, but for hidden files) and globs name, sorted, each once.

    Raises InputError if a path names nothing, or a file of another kind.
    """
    found: set[str] = set()
    for path in paths:
        matches = [path] if Path(path).exists() else glob.glob(path, recursive=True)
        if not matches:
            raise InputError(f"{path}: no such file or folder, and as a glob it matches nothing")
        files = [file for match in matches for file in _files_of(Path(match), named=match == path)]
        if not files:
            raise InputError(f"{path}: no file in it of a kind that can be read; allowed: {_allowed()}")
        found.update(files)
    return sorted(found)


def _files_of(path: Path, *, named: bool) -> list[str]:
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.is_file() and _format(file)]
        return [str(file) for file in files if not any(part.startswith(".") for part in file.relative_to(path).parts)]
    if named and not _format(path):
        raise InputError(f"{path}: kind of file not known; allowed: {_allowed()}")
    return [str(path)] if _format(path) else []


def _allowed() -> str:
    return ", ".join(FORMATS) + ", each also with " + " or ".join(COMPRESSIONS[1:])


def _format(path: Path) -> str:
    """The suffix that says how to read the file, '' if it is not one of ours."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return suffixes[-1] if suffixes and suffixes[-1] in FORMATS else ""


def read_documents(
    files: Iterable[str], text_column: str = "text", documents: str = "file", encoding: str = "utf-8"
) -> Iterator[Iterable[str]]:
    """Each document of the files, as a stream of pieces of text.

    `text_column` names the text in .jsonl and .parquet; `documents` says what one is in a text file: the whole
    `file`, a `paragraph` (ended by an empty line) or a `line`. Raises InputError, naming the file, if it is
    truncated, is not text in `encoding`, or has no such column.
    """
    for name in files:
        kind = _format(Path(name))
        if kind == ".parquet":
            yield from _parquet(name, text_column)
        elif kind == ".jsonl":
            yield from _json_lines(name, text_column)
        elif documents == "file":
            yield _text(name, encoding)
        else:
            yield from _split(_text(name, encoding), "\n" if documents == "line" else "\n\n")


def _chunks(name: str) -> Iterator[bytes]:
    """The file's bytes, decompressed, in chunks."""
    import pyarrow as pa  # here, because the workflow imports this file each time it is parsed

    try:
        with pa.input_stream(name, compression="detect") as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({str(error).splitlines()[0]})") from error


def _text(name: str, encoding: str) -> Iterator[str]:
    """The file's text, in pieces."""
    decoder = codecs.getincrementaldecoder(encoding)()
    position = 0
    for chunk in _chunks(name):
        yield _decode(name, decoder, chunk, position, final=False)
        position += len(chunk)
    yield _decode(name, decoder, b"", position, final=True)


def _decode(name: str, decoder: Any, chunk: bytes, position: int, *, final: bool) -> str:
    pending = len(decoder.getstate()[0])
    try:
        text = decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        at = position - pending + error.start
        raise InputError(f"{name}: byte {at} is not {error.encoding} text; name the file's `encoding`") from error
    if "\0" in text:
        raise InputError(f"{name}: not text, it holds NUL bytes; name its `encoding` if it is UTF-16 or UTF-32")
    return text


def _split(pieces: Iterable[str], separator: str) -> Iterator[Iterable[str]]:
    """Cut a stream of text at each separator."""
    rest = ""
    for piece in pieces:
        *whole, rest = (rest + piece).replace("\r\n", "\n").split(separator)
        yield from ([text] for text in whole)
    yield [rest]


def _lines(name: str) -> Iterator[bytes]:
    rest = b""
    for chunk in _chunks(name):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    yield rest


def _json_lines(name: str, text_column: str) -> Iterator[Iterable[str]]:
    for number, line in enumerate(_lines(name), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise InputError(f"{name}: line {number} is not JSON ({error})") from error
        if not isinstance(record, dict) or not isinstance(record.get(text_column), str | None):
            raise InputError(f"{name}: line {number} is not an object with text under {text_column!r}")
        if text_column not in record:
            raise InputError(f"{name}: line {number} has no {text_column!r}; it has {', '.join(map(repr, record))}")
        yield [record[text_column] or ""]


def _parquet(name: str, text_column: str) -> Iterator[Iterable[str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with tempfile.TemporaryFile() as plain:
        compressed = Path(name).suffix.lower() in COMPRESSIONS
        if compressed:  # Parquet is read from its end, which a stream does not have yet
            plain.writelines(_chunks(name))
        try:
            file = pq.ParquetFile(plain if compressed else name)
            if text_column not in file.schema_arrow.names:
                raise InputError(f"{name}: no column {text_column!r}; it has {', '.join(file.schema_arrow.names)}")
            kind = file.schema_arrow.field(text_column).type
            if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
                raise InputError(f"{name}: column {text_column!r} holds {kind}, not text")
            for batch in file.iter_batches(batch_size=256, columns=[text_column]):
                yield from ([text or ""] for text in batch.column(0).to_pylist())
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"{name}: not a Parquet file, or damaged ({str(error).splitlines()[0]})") from error
