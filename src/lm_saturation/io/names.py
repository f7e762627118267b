"""Names of files that a workflow can track: Snakemake takes {x} for a wildcard and <x> for a variable.

Other files are read all the same. Jobs run again when they change because a version of them is a parameter.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

UNTRACKABLE = re.compile("[{}<>\udc80-\udcff]")  # the last are how Python holds bytes that are not UTF-8


def trackable(path: str) -> bool:
    """Whether a path can be an input of a job of Snakemake."""
    return not UNTRACKABLE.search(path)


def printable(path: str) -> str:
    """The path as a message or a log can hold it: bytes that are not UTF-8 are escaped."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def untracked_version(paths: Iterable[str]) -> str | None:
    """A hash of names, sizes and times of those files that cannot be an input of jobs; None if all can be."""
    untracked = [path for path in paths if not trackable(path)]
    states = [(printable(path), (status := Path(path).stat()).st_size, status.st_mtime_ns) for path in untracked]
    return hashlib.sha256(repr(states).encode()).hexdigest() if states else None
