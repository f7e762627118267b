"""Seals: the sha256 of an output in a hidden file beside it, which the next job that reads the output compares.

results/tables/heads.csv and results/tables/.heads.csv.sha256

Disks, copies and editors change bytes that no format notices: a digit in a CSV, a weight in safetensors, a range in the
footer of a Parquet file. Large files are not sealed, because reading them twice costs: those that this project writes
(tokens, counts) have checksums of their own.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from scripts.common.errors import InputError

SEALED_BYTES = 1 << 28  # of a file; larger ones are not sealed
TIMESTAMP = ".snakemake_timestamp"  # which Snakemake puts into a folder when the job is done


def seal_files(paths: Any) -> None:
    """Seal the files among the outputs of a job, but not large ones and not folders."""
    for path in filter(Path.is_file, _flat(paths)):
        if path.stat().st_size <= SEALED_BYTES:
            seal(path)
        else:
            _place(path).unlink(missing_ok=True)  # of a smaller file that was there before


def seal(path: Path) -> None:
    """Write the seal of a file, or of a folder with all that is in it."""
    place = _place(path)
    partial = place.with_name(f"{place.name}.partial")
    try:
        partial.write_text(f"{_digest(path)}  {path.name}\n", encoding="utf-8")  # as sha256sum writes and checks it
        partial.replace(place)
    finally:
        partial.unlink(missing_ok=True)


def check_seals(paths: Any) -> None:
    """Raise InputError if one of the inputs of a job is not as it was sealed. What has no seal is not judged."""
    for path in _flat(paths):
        place = _place(path)
        if place.is_file() and path.exists() and place.read_text(encoding="utf-8").split()[:1] != [_digest(path)]:
            raise InputError(f"{path}: its sha256 is not the one it was written with; delete it and run again")


def _place(path: Path) -> Path:
    return path.with_name(f".{path.name}.sha256")


def _flat(paths: Any) -> Iterator[Path]:
    """Every path among paths and lists of paths."""
    if isinstance(paths, str | Path):
        yield Path(paths)
    elif isinstance(paths, Iterable):
        for one in paths:
            yield from _flat(one)


def _digest(path: Path) -> str:
    """The sha256 of a file; of a folder, that of the names and sha256 of its files."""
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.name != TIMESTAMP)
    lines = "".join(f"{_digest(file)}  {file.relative_to(path)}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()
