"""What every rule's script does first and last: threads, a log, and errors a person can read."""

import errno
import fcntl
import logging
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

from tqdm import tqdm

from scripts.common.errors import InputError as InputError  # which every script has from here
from scripts.common.seals import check_seals, seal_files

log = logging.getLogger("saturation")

Item = TypeVar("Item")

NOT_WRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG}
# what libraries say of a full disk that raise errors of their own
DISK_FULL = ("No space left on device", "os error 28")


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Run the body of a rule's script with its threads and its log file, between its inputs' seals and its outputs'.

    An InputError, a full or read-only disk and too little memory end the process with one line, anything else with a
    traceback; both are in the log. SIGTERM ends it as an exception does: what is half-written is removed.
    """
    _limit_threads(snakemake.threads)
    path = Path(str(snakemake.log))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", buffering=1) as file, _stopped_by_sigterm():
        handler = logging.StreamHandler(file)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
        log.setLevel(logging.INFO)
        log.addHandler(handler)
        waited = _wait_for_others(file)
        file.truncate(0)
        try:
            if waited:
                log.info("waited for another process at this job, left over by a run that was killed")
            check_seals(getattr(snakemake, "input", ()))
            yield
            seal_files(getattr(snakemake, "output", ()))
        except InputError as error:
            log.error(error)
            sys.exit(f"error: {error}")
        except BaseException as error:
            file.write(traceback.format_exc())
            if line := _reason(error):
                log.error(line)
                sys.exit(f"error: {line}")
            raise
        finally:
            log.removeHandler(handler)


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Let SIGTERM, which schedulers send before SIGKILL, raise SystemExit."""

    def stop(*_: Any) -> None:
        sys.exit("error: stopped by SIGTERM")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _wait_for_others(file: IO[str]) -> bool:
    """Wait until no other process is at the same job, as its log file's lock shows; whether there was one.

    A Snakemake that is killed leaves its jobs running, here or on a cluster; the next one starts them again. Of those
    that wait only the last may work, because the others' Snakemake is gone: they end when it has, without an error, for
    which what is left of their Snakemake would remove its results.
    """
    last = Path(file.name).with_name(f".{Path(file.name).name}.last")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        last.unlink(missing_ok=True)
    except BlockingIOError:
        log.warning("a second process was started at this job; it waits until this one ends")
        mine = f"{socket.gethostname()} {os.getpid()} {time.time_ns()}"
        last.write_text(mine, encoding="utf-8")
        fcntl.flock(file, fcntl.LOCK_EX)
        while last.exists() and last.read_text(encoding="utf-8") != mine:
            fcntl.flock(file, fcntl.LOCK_UN)  # the last one's turn
            time.sleep(0.5)
            fcntl.flock(file, fcntl.LOCK_EX)
        if not last.exists():
            sys.exit(0)
        last.unlink()
        return True
    except OSError as error:  # some network file systems have no locks
        log.warning("no lock (%s): no other process may be at this job", error)
    return False


def _reason(error: BaseException) -> str | None:
    """In one line, what is not a fault of the program: a disk that takes no more, or too little memory. Else None."""
    text = (str(error).splitlines() or [""])[0]
    if isinstance(error, MemoryError):
        return f"out of memory: {text or 'the job needs more than it may take'}"
    if isinstance(error, OSError) and error.errno in NOT_WRITABLE:
        return f"cannot write: {text}"
    if any(sign in str(error) for sign in DISK_FULL):
        return f"cannot write, the disk is full: {text}"
    return None


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
