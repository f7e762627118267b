"""What every rule's script does first and last: threads, a log, and errors a person can read."""

import logging
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

log = logging.getLogger("saturation")

Item = TypeVar("Item")


class InputError(Exception):
    """Something a user gave is wrong. The message is one line: what, where, what is allowed."""


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Run the body of a rule's script with its threads and its log file.

    An InputError ends the process with its one line, anything else with a traceback; both are in the log.
    """
    _limit_threads(snakemake.threads)
    path = Path(str(snakemake.log))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", buffering=1) as file:
        handler = logging.StreamHandler(file)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
        log.setLevel(logging.INFO)
        log.addHandler(handler)
        try:
            yield
        except InputError as error:
            log.error(error)
            sys.exit(f"error: {error}")
        except BaseException:
            file.write(traceback.format_exc())
            raise
        finally:
            log.removeHandler(handler)


def _limit_threads(threads: int) -> None:
    """Hold BLAS and tokenizers to the threads that Snakemake granted."""
    from threadpoolctl import threadpool_limits

    os.environ["RAYON_NUM_THREADS"] = str(threads)  # tokenizers reads it at its first batch
    for library in ("OPENBLAS", "OMP", "MKL"):  # for libraries loaded later than this line
        os.environ[f"{library}_NUM_THREADS"] = str(threads)
    threadpool_limits(threads)


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


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; it becomes `path` only if the body succeeds.

    The name is always the same, so that what a killed job left is written over by the next.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
