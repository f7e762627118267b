"""The frame of every rule's script: threads, a log, checksums, and errors in one line.

with job(snakemake):
    ...
"""

import errno
import fcntl
import logging
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import IO, Any

from lm_saturation.errors import InputError
from lm_saturation.io.checksums import verify_checksums, write_checksums
from lm_saturation.io.logs import log
from lm_saturation.io.names import printable
from lm_saturation.io.reading import check_unchanged, file_states

NOT_WRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG}
DISK_FULL = ("No space left on device", "os error 28")  # in the errors of libraries that do not raise OSError


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Run the body of a rule's script with its threads and its log file.

    The checksums of inputs are verified before, those of outputs written after it; an input that has changed meanwhile
    is an InputError. That, a full or read-only disk and too little memory end the process with one line, anything else
    with a traceback; both are in the log. SIGTERM ends it as an exception does: half-written files are removed.
    """
    _limit_threads(snakemake.threads)
    path = Path(str(snakemake.log))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1) as file, _stopped_by_sigterm():
        handler = logging.StreamHandler(file)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
        log.setLevel(logging.INFO)
        log.addHandler(handler)
        waited = _wait_for_others(file)
        file.truncate(0)
        try:
            if waited:
                log.info("waited for another process of this job, left by a run that was killed")
            inputs = getattr(snakemake, "input", ())
            states = file_states(inputs)
            verify_checksums(inputs)
            yield
            check_unchanged(states)
            write_checksums(getattr(snakemake, "output", ()))
        except InputError as error:
            message = printable(str(error))
            log.error(message)
            sys.exit(f"error: {message}")
        except BaseException as error:
            file.write(traceback.format_exc())
            if line := _reason(error):
                log.error(line)
                sys.exit(f"error: {line}")
            raise
        finally:
            log.removeHandler(handler)


@contextmanager
def process_pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of new processes, for functions of the library.

    Each has one thread of BLAS, and so has this process from now on: the threads granted are shared out to processes,
    and several threads in each wait for one another on small matrices (200 fits of a scaling law: 190 s instead of 1).

    New processes read the file of the script that started them. Of a script that Snakemake fetched from a repository,
    `__file__` is an address: they would fail, so it is hidden from them.
    """
    _limit_threads(1)
    script = vars(sys.modules["__main__"])
    file = script.pop("__file__", None)
    try:
        with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
            yield pool
    finally:
        if file is not None:
            script["__file__"] = file


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
    """Wait until no other process runs the same job, as the lock on its log file shows; whether there was one.

    A Snakemake that is killed leaves its jobs running, here or on a cluster; the next one starts them again. Of those
    that wait only the last one runs, because the Snakemake of the others is gone. They end when it has, and without an
    error, on which what is left of their Snakemake would remove its results.
    """
    last = Path(file.name).with_name(f".{Path(file.name).name}.last")  # names the last process that waits
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        last.unlink(missing_ok=True)
    except BlockingIOError:
        log.warning("a second process was started for this job; it waits until this one ends")
        mine = f"{socket.gethostname()} {os.getpid()} {time.time_ns()}"
        last.write_text(mine, encoding="utf-8")
        fcntl.flock(file, fcntl.LOCK_EX)
        while last.exists() and last.read_text(encoding="utf-8") != mine:
            fcntl.flock(file, fcntl.LOCK_UN)  # for the last one
            time.sleep(0.5)
            fcntl.flock(file, fcntl.LOCK_EX)
        if not last.exists():
            sys.exit(0)
        last.unlink()
        return True
    except OSError as error:  # some network file systems have no locks
        log.warning("no lock (%s): no other process may run this job", error)
    return False


def _reason(error: BaseException) -> str | None:
    """In one line, what is not a fault of the program: a disk that cannot be written, or too little memory."""
    text = (str(error).splitlines() or [""])[0]
    if isinstance(error, MemoryError):
        return f"out of memory: {text or 'the job needs more than it may take'}"
    if isinstance(error, OSError) and error.errno in NOT_WRITABLE:
        there = error.errno == errno.EACCES and error.filename is not None and Path(str(error.filename)).is_file()
        here = f", in the folder of results or in {os.environ.get('TMPDIR', '/tmp')} (TMPDIR)"
        return f"cannot {'open' if there else 'write'}: {text}{here if error.filename is None else ''}"
    if isinstance(error, FileNotFoundError) and "temporary directory" in text:
        return f"cannot write: {text}; name one with room by TMPDIR"
    if any(words in str(error) for words in DISK_FULL):
        return f"cannot write, the disk is full: {text}"
    return None


def _limit_threads(threads: int) -> None:
    """Limit BLAS and tokenizers to the threads that Snakemake granted."""
    from threadpoolctl import threadpool_limits

    os.environ["RAYON_NUM_THREADS"] = str(threads)  # read by tokenizers at its first batch
    for library in ("OPENBLAS", "OMP", "MKL"):  # for libraries that are loaded later
        os.environ[f"{library}_NUM_THREADS"] = str(threads)
    threadpool_limits(threads)
