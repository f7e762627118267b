"""Checksums: the sha256 of an output in a hidden file beside it, compared by the next job that reads the output.

results/tables/heads.csv and results/tables/.heads.csv.sha256

Disks, copies and editors change bytes that no format notices: a digit in a CSV, a weight in safetensors, a range in the
footer of a Parquet file. Large files get no checksum, because reading them twice costs: those that this project writes
(tokens, counts) have their own.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lm_saturation.errors import InputError

MAXIMUM_BYTES = 1 << 28  # of a file; larger ones get no checksum
TIMESTAMP = ".snakemake_timestamp"  # which Snakemake puts into a folder when the job is done


def write_checksums(paths: Any) -> None:
    """Write the checksums of the files among a job's outputs, but not of large ones and not of folders."""
    for path in filter(Path.is_file, flat_paths(paths)):
        if path.stat().st_size <= MAXIMUM_BYTES:
            write_checksum(path)
        else:
            _checksum_file(path).unlink(missing_ok=True)  # of a smaller file that was there before


def write_checksum(path: Path) -> None:
    """Write the checksum of a file, or of a folder with all that is in it."""
    checksum_file = _checksum_file(path)
    partial = checksum_file.with_name(f"{checksum_file.name}.partial")
    try:
        partial.write_text(f"{_sha256(path)}  {path.name}\n", encoding="utf-8")  # as sha256sum writes and checks it
        partial.replace(checksum_file)
    finally:
        partial.unlink(missing_ok=True)


def verify_checksums(paths: Any) -> None:
    """Raise InputError if one of a job's inputs is not as it was written. Inputs without a checksum pass."""
    for path in flat_paths(paths):
        checksum_file = _checksum_file(path)
        if checksum_file.is_file() and path.exists() and _read_checksum(checksum_file) != _sha256(path):
            raise InputError(f"{path}: its sha256 is not the one it was written with; delete it and run again")


def _checksum_file(path: Path) -> Path:
    return path.with_name(f".{path.name}.sha256")


def _read_checksum(checksum_file: Path) -> str:
    """The checksum in the file; empty if there is none in it."""
    return checksum_file.read_text(encoding="utf-8").partition(" ")[0]


def flat_paths(paths: Any) -> Iterator[Path]:
    """Every path among paths and lists of paths."""
    if isinstance(paths, str | Path):
        yield Path(paths)
    elif isinstance(paths, Iterable):
        for part in paths:
            yield from flat_paths(part)


def _sha256(path: Path) -> str:
    """The sha256 of a file; of a folder, that of the names and sha256 of its files."""
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.name != TIMESTAMP)
    lines = "".join(f"{_sha256(file)}  {file.relative_to(path)}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()
