"""Names of files that a workflow can track: Snakemake takes {x} for a wildcard and <x> for a variable."""

import re

UNTRACKABLE = re.compile("[{}<>\udc80-\udcff]")  # the last are how Python holds bytes that are not UTF-8


def trackable(path: str) -> bool:
    """Whether a path can be an input of a job of Snakemake."""
    return not UNTRACKABLE.search(path)


def printable(path: str) -> str:
    """The path as a message or a log can hold it: bytes that are not UTF-8 are escaped."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
