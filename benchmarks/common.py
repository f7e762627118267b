"""What the benchmarks share: real text, one process per measurement, and one table of results."""

import json
import os
import platform
import re
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numba
import numpy as np

from lm_saturation.text.corpus import write_corpus
from lm_saturation.text.encoding import tokenise
from lm_saturation.text.local_files import read_documents
from lm_saturation.text.make_tokenizers import train_tokenizer
from lm_saturation.text.token_files import open_tokens, write_tokens

HERE = Path(__file__).parent
CACHE = HERE / ".cache"
RESULTS = HERE / "RESULTS.md"
DOCUMENT = 1000  # tokens in a document of long_tokens, and in a line for KenLM


def real_tokens(vocabulary_size: int = 50277) -> np.ndarray:
    """Ids of real program text, over 1e7: the sources of Python's library and of the packages pinned here."""
    record = CACHE / f"tokens-{vocabulary_size}.json"
    if not record.is_file():
        CACHE.mkdir(exist_ok=True)
        folders = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib")]
        files = sorted({str(path) for folder in folders for path in folder.rglob("*.py") if _is_utf8(path)})
        write_corpus("python", read_documents(files), CACHE / "text.parquet")
        tokenizer = train_tokenizer("byte-bpe", vocabulary_size, [str(CACHE / "text.parquet")])
        write_tokens(record, tokenise(CACHE / "text.parquet", tokenizer), vocabulary_size, {})
    return open_tokens(record).ids


def long_tokens(total: int) -> np.ndarray:
    """`total` ids, memory-mapped: the real ones, then pieces of them rejoined where they hold the same token.

    One token in four is followed by what follows another of its occurrences, so new n-grams keep coming.
    """
    record = CACHE / f"tokens-long-{total}.json"
    if not record.is_file():
        ids = real_tokens()
        order, bounds = np.argsort(ids, kind="stable"), np.append(0, np.cumsum(np.bincount(ids)))
        made = _rejoined(np.asarray(ids), order.astype(np.uint32), bounds, total, np.random.default_rng(0))
        write_tokens(record, np.array_split(made, total // DOCUMENT), 50277, {})
    return open_tokens(record).ids


@numba.njit
def _rejoined(ids, order, bounds, total, rng):
    made = np.empty(total, ids.dtype)
    at = 0
    for position in range(total):
        if position >= len(ids) and rng.random() < 0.25:
            token = ids[at]
            at = order[bounds[token] + rng.integers(0, bounds[token + 1] - bounds[token])]
        at = (at + 1) % len(ids)
        made[position] = ids[at]
    return made


def write_lines(ids: np.ndarray, path: Path) -> None:
    """The ids as text for KenLM, `DOCUMENT` of them a line."""
    words = np.char.add(np.arange(50277).astype("S5"), b" ")
    with path.open("wb") as file:
        for begin in range(0, len(ids), DOCUMENT):
            file.write(b"".join(words[ids[begin : begin + DOCUMENT]].tolist()) + b"\n")


def lmplz_counting(text: Path, memory: str) -> dict[str, float]:
    """Time and peak memory of KenLM's first step, from its start to the beginning of the second."""
    with scratch() as folder:
        command = ["lmplz", "-o", "5", "--skip_symbols", "--discount_fallback", "-S", memory, "-T", f"{folder}/"]
        with subprocess.Popen(
            [*command, "--text", str(text), "--arpa", "/dev/null"], stderr=subprocess.PIPE, text=True
        ) as run:
            for line in run.stderr:
                if line.startswith("=== 1/5"):
                    start = time.perf_counter()
                if line.startswith("=== 2/5"):
                    seconds = time.perf_counter() - start
                    peak = peak_mb(run.pid)
                    run.kill()
    return {"seconds": seconds, "peak_mb": peak}


def _is_utf8(path: Path) -> bool:
    try:
        return "\0" not in path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def measure(program: str, *arguments: str, threads: int = 1, timeout: float | None = None) -> dict[str, Any]:
    """Run a benchmark's `program ARGUMENTS` in a process of its own and return what it printed as JSON.

    Raises subprocess.TimeoutExpired after `timeout` seconds.
    """
    limits = ("OMP", "OPENBLAS", "NUMBA", "POLARS_MAX", "RAYON")
    environment = os.environ | {f"{name}_NUM_THREADS".replace("MAX_NUM", "MAX"): str(threads) for name in limits}
    command = [sys.executable, "-m", program, *arguments]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=timeout)
    return json.loads(done.stdout.splitlines()[-1])


def timed(work: Callable[[], Any], repeats: int = 1) -> tuple[Any, dict[str, float]]:
    """The result of `work`, the median of its seconds, and the peak memory of this process in MB after the first."""
    seconds, peak = [], 0.0
    for _ in range(repeats):
        result = None  # free the last one first
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
        peak = peak or peak_mb()
    return result, {"seconds": sorted(seconds)[repeats // 2], "peak_mb": peak}


def peak_mb(process: int | str = "self") -> float:
    """Peak resident memory of a process, MB; Linux keeps a parent's peak in ru_maxrss, so not from there."""
    status = Path(f"/proc/{process}/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s*(\d+)", status.read_text()).group(1)) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def median_of(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Of several runs, the one of median time."""
    return sorted(runs, key=lambda run: run["seconds"])[len(runs) // 2]


def write_results(title: str, command: str, packages: list[str], lines: list[str]) -> None:
    """Put a section into RESULTS.md, in place of an older one of that title."""
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    section = "\n".join([f"## {title}", "", f"`{command}`", "", *lines, "", f"{machine()}; {versions}.", ""])
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.is_file() else "# Benchmarks\n\nWritten by `make bench`.\n"
    sections = re.split(r"(?m)^(?=## )", text)
    kept = [part.rstrip() + "\n" for part in sections if not part.startswith(f"## {title}\n")]
    RESULTS.write_text("\n".join([*kept, section]), encoding="utf-8")
    print(section)


def machine() -> str:
    """What the measurements were made on."""
    return f"{_processor()}, {os.cpu_count()} cores, {_memory_gib()} GiB; Python {platform.python_version()}"


def _processor() -> str:
    names = (
        re.findall(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
        if Path("/proc/cpuinfo").exists()
        else []
    )
    return names[0] if names else platform.processor()


def _memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is removed afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
