"""The log of a job, and progress in it: one line every ten seconds."""

import logging
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from tqdm import tqdm

log = logging.getLogger("saturation")

Item = TypeVar("Item")


def progress(items: Iterable[Item], what: str, total: int | None = None, unit: str = "it") -> Iterator[Item]:
    """Iterate over `items`, with a line of progress in the log every ten seconds."""
    return iter(ProgressBar(items, desc=what, total=total, unit=unit))


class ProgressBar(tqdm):
    """Progress as lines in the log, one every ten seconds."""

    def __init__(self, *args: Any, **options: Any) -> None:
        ours = {"mininterval": 10, "ascii": True, "position": 0, "file": _LogStream()}  # one bar a line, nothing moves
        super().__init__(*args, **{**options, **ours})


class _LogStream:
    """Lets tqdm write to the log: each redrawn bar becomes a line."""

    def write(self, text: str) -> None:
        if line := text.strip("\r\n "):
            log.info(line)

    def flush(self) -> None:
        pass


def redirect_log(library: str) -> None:
    """Send what an imported library logs to the job's log, not to the screen."""
    logging.getLogger(library).handlers = [*log.handlers]
