"""Text that lies on disk: .txt, .jsonl and .parquet, each also with .gz or .zst; files, folders or globs."""

import codecs
import glob
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from lm_saturation.errors import InputError
from lm_saturation.io.reading import unreadable_named

FORMATS = (".txt", ".md", ".rst", ".py", ".jsonl", ".parquet")
COMPRESSIONS = {"": None, ".gz": "gzip", ".zst": "zstd"}  # by suffix, in capitals or not: their names in PyArrow
CHUNK = 1 << 20  # bytes read at a time
BYTE_ORDER_MARK = "\ufeff"


def find_files(paths: Iterable[str]) -> list[str]:
    """The files that `paths` name, sorted, each once: files, folders with all below them but hidden files, globs.

    Links are followed. Raises InputError if a path names nothing, or a file of another kind, or if a folder cannot be
    read, also one that a glob passes through, or a link leads nowhere: no text is left out without a word.
    """
    all_files: set[str] = set()
    for path in map(os.path.expanduser, paths):
        with unreadable_named(path):
            all_files.update(_files_named(path))
    return sorted(all_files)


def _files_named(path: str) -> list[str]:
    matches = [path] if Path(path).exists() else _matches(path)
    if not matches:
        raise InputError(f"{path}: no such file or folder, and as a glob it matches nothing")
    files = [file for match in matches for file in _files_of(Path(match), named=match == path)]
    if not files:
        raise InputError(f"{path}: no file in it of a kind that can be read; allowed: {_allowed()}")
    return files


def _matches(pattern: str) -> list[str]:
    """The paths that match a glob. Raises PermissionError for a closed folder, which glob leaves out without a word."""
    parts = Path(pattern).parts
    for place, part in enumerate(parts):
        below = parts[: place + 1] if part == "**" else parts[:place]
        for folder in glob.glob(f"{Path(*below)}/", recursive=True) if below else ():
            if glob.has_magic(part):
                os.scandir(folder).close()
            else:
                Path(folder, part).exists()  # raises, too
    return glob.glob(pattern, recursive=True)


def _files_of(path: Path, *, named: bool) -> list[str]:
    if path.is_dir():
        return _files_below(path)
    if not path.is_file():  # a pipe, say, for which reading would wait
        raise InputError(f"{path}: neither a file nor a folder")
    if named and not _format(path):
        raise InputError(f"{path}: kind of file not known; allowed: {_allowed()}")
    return [str(path)] if _format(path) else []


def _compression(path: Path) -> str:
    """The suffix that says how to decompress the file; '' if it is not compressed."""
    return suffix if (suffix := path.suffix.lower()) in COMPRESSIONS else ""


def _files_below(top: Path) -> list[str]:
    """The files in a folder and in all below it, each folder once, so that links cannot lead round for ever."""

    def unreadable(error: OSError) -> None:
        raise error

    files: list[str] = []
    seen: set[tuple[int, int]] = set()  # device and number of folders
    for folder, folders, names in os.walk(top, onerror=unreadable, followlinks=True):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in (Path(folder, name) for name in names if not name.startswith(".")):
            if _format(file) and not file.exists():
                raise InputError(f"{file}: a link that leads nowhere")
            if _format(file) and file.is_file():
                files.append(str(file))
    return files


def _allowed() -> str:
    return ", ".join(FORMATS) + ", each also with " + " or ".join(filter(None, COMPRESSIONS))


def _format(path: Path) -> str:
    """The suffix that says how to read the file; '' if it cannot be read."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return suffixes[-1] if suffixes and suffixes[-1] in FORMATS else ""


def read_documents(
    files: Iterable[str], text_column: str = "text", documents: str = "file", encoding: str = "utf-8"
) -> Iterator[Iterable[str]]:
    """Each document of the files, as a stream of pieces of text.

    `text_column` names the text in .jsonl and .parquet; `documents` says what a document is in a text file: the
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

    compression = COMPRESSIONS[_compression(Path(name))]
    with unreadable_named(name):
        if compression and not Path(name).stat().st_size:  # PyArrow takes it for an empty text
            raise InputError(f"{name}: 0 bytes, which no file of {compression} has; was it cut short?")
    try:
        with (
            _opened(name) as file,  # PyArrow opens no name that is not UTF-8
            pa.input_stream(file, compression=compression) as stream,
        ):
            while chunk := stream.read(CHUNK):
                yield chunk
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({_unreadable(error)})") from error


def _unreadable(error: OSError) -> str:
    reason = str(error).splitlines()[0]
    if "too much memory" in reason:
        return "zstd with a window of more than 128 MB; allowed is at most that, as `zstd --long=27` takes"
    return error.strerror or reason


def _text(name: str, encoding: str) -> Iterator[str]:
    """The file's text, in pieces; a byte order mark before it is no part of it."""
    decoder = codecs.getincrementaldecoder(encoding)()
    position, begun = 0, False
    for chunk in _chunks(name):
        piece = _decode(name, decoder, chunk, position, final=False)
        yield piece if begun else piece.removeprefix(BYTE_ORDER_MARK)
        position += len(chunk)
        begun = begun or bool(piece)
    yield _decode(name, decoder, b"", position, final=True)


def _decode(name: str, decoder: Any, chunk: bytes, position: int, *, final: bool) -> str:
    pending = len(decoder.getstate()[0])
    try:
        text = decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        byte = position - pending + error.start
        raise InputError(f"{name}: byte {byte} is not {error.encoding} text; name the file's `encoding`") from error
    if "\0" in text:
        raise InputError(f"{name}: not text, it holds NUL bytes; name its `encoding` if it is UTF-16 or UTF-32")
    return text


def _split(pieces: Iterable[str], separator: str) -> Iterator[Iterable[str]]:
    """Cut a stream of text at each separator, in a time that does not grow with the square of the longest part."""
    parts: list[str] = []
    for piece in filter(None, _new_lines(pieces)):
        if parts and separator not in parts[-1][1 - len(separator) :] + piece:
            parts.append(piece)
            continue
        *complete, rest = "".join([*parts, piece]).split(separator)
        yield from ([text] for text in complete)
        parts = [rest]
    yield parts


def _new_lines(pieces: Iterable[str]) -> Iterator[str]:
    """The text with Unix line ends; the two characters of another may be in two pieces."""
    held = ""
    for piece in pieces:
        text = held + piece
        held = "\r" if text.endswith("\r") else ""
        yield text.removesuffix("\r").replace("\r\n", "\n")
    yield held


def _lines(name: str) -> Iterator[bytes]:
    parts: list[bytes] = []  # of a line, which may be as long as the file
    for chunk in _chunks(name):
        first, *others = chunk.split(b"\n")
        parts.append(first)
        for other in others:
            yield b"".join(parts)
            parts = [other]
    yield b"".join(parts)


def _json_lines(name: str, text_column: str) -> Iterator[Iterable[str]]:
    for number, line in enumerate(_lines(name), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise InputError(f"{name}: line {number} is not JSON ({error})") from error
        except RecursionError as error:
            raise InputError(f"{name}: line {number} is JSON nested too deeply to be read") from error
        if not isinstance(record, dict) or not isinstance(record.get(text_column), str | None):
            raise InputError(f"{name}: line {number} is not an object with text under {text_column!r}")
        if text_column not in record:
            raise InputError(f"{name}: line {number} has no {text_column!r}; it has {', '.join(map(repr, record))}")
        yield [record[text_column] or ""]


def _parquet(name: str, text_column: str) -> Iterator[Iterable[str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    compressed = _compression(Path(name))
    with tempfile.TemporaryFile() if compressed else _opened(name) as stream:
        if compressed:  # Parquet is read from its end, which a stream does not have yet
            stream.writelines(_chunks(name))
        try:
            file = pq.ParquetFile(stream)
            if text_column not in file.schema_arrow.names:
                raise InputError(f"{name}: no column {text_column!r}; it has {', '.join(file.schema_arrow.names)}")
            kind = file.schema_arrow.field(text_column).type
            if not _is_text(kind.value_type if pa.types.is_dictionary(kind) else kind):
                raise InputError(f"{name}: column {text_column!r} holds {kind}, not text")
            row = 0
            for batch in file.iter_batches(batch_size=256, columns=[text_column]):
                for text in batch.column(0):
                    row += 1
                    yield [_utf8(name, text_column, row, text)]
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"{name}: not a Parquet file, or damaged ({str(error).splitlines()[0]})") from error


def _opened(name: str) -> IO[bytes]:
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({_unreadable(error)})") from error


def _is_text(kind: Any) -> bool:
    """Whether a type of PyArrow is text."""
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _utf8(name: str, column: str, row: int, value: Any) -> str:
    """The text of a scalar of PyArrow, whose bytes nobody has checked; '' where there is none."""
    try:
        return value.as_py() or ""
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: column {column!r}, row {row}: byte {error.start} is not UTF-8") from error
