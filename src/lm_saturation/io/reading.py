"""What a user named and this one may not read, and inputs that change while a job reads them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lm_saturation.errors import InputError
from lm_saturation.io.checksums import flat_paths

State = tuple[int, int]  # nanoseconds of the last change, and bytes


@contextmanager
def unreadable_named(place: str | Path) -> Iterator[None]:
    """Raise InputError, one line, where the body may not read a file or folder: it is another user's, say."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{error.filename or place}: cannot be read ({error.strerror or error})") from error


def file_states(paths: Any) -> dict[Path, State]:
    """The states of the files among a job's inputs, and of those in its folders, through links."""
    return {file: state for path in flat_paths(paths) for file in _files(path) if (state := _state(file))}


def check_unchanged(states: dict[Path, State]) -> None:
    """Raise InputError if one of these files is no longer as it was.

    What a job made of it may be of neither state, and is newer than both: nothing would make it again.
    """
    for file, state in states.items():
        if _state(file) != state:
            raise InputError(f"{file}: changed while this job read it; run again once nothing writes to it")


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
    for folder, _, names in os.walk(path, followlinks=True):
        yield from (Path(folder, name) for name in names)


def _state(file: Path) -> State | None:
    """The state of a file; None of one that is not there."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
