"""What the benchmarks share: real text, one process a measurement, and one table of results."""

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

import numpy as np

from scripts.common.token_files import open_tokens, write_tokens
from scripts.corpus.corpus import write_corpus
from scripts.corpus.local_files import read_documents
from scripts.corpus.tokenizer import train_tokenizer
from scripts.corpus.tokens import tokenise

HERE = Path(__file__).parent
CACHE = HERE / ".cache"
RESULTS = HERE / "RESULTS.md"


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


def _is_utf8(path: Path) -> bool:
    try:
        return "\0" not in path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def measure(program: str, *arguments: str, threads: int = 1) -> dict[str, Any]:
    """Run a benchmark's `program ARGUMENTS` in a process of its own and return what it printed as JSON."""
    limits = ("OMP", "OPENBLAS", "NUMBA", "POLARS_MAX", "RAYON")
    environment = os.environ | {f"{name}_NUM_THREADS".replace("MAX_NUM", "MAX"): str(threads) for name in limits}
    command = [sys.executable, "-m", program, *arguments]
    output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


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


def peak_mb() -> float:
    """Peak resident memory of this process, MB; Linux keeps a parent's peak in ru_maxrss, so not from there."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s*(\d+)", status.read_text()).group(1)) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def median_of(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Of several runs, the one of median time."""
    return sorted(runs, key=lambda run: run["seconds"])[len(runs) // 2]


def write_results(title: str, command: str, packages: list[str], lines: list[str]) -> None:
    """Put a section into RESULTS.md, in place of an older one of that title."""
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    machine = f"{_processor()}, {os.cpu_count()} cores, {_memory_gib()} GiB; Python {platform.python_version()}"
    section = "\n".join([f"## {title}", "", f"`{command}`", "", *lines, "", f"{machine}; {versions}.", ""])
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.is_file() else "# Benchmarks\n\nWritten by `make bench`.\n"
    sections = re.split(r"(?m)^(?=## )", text)
    kept = [part.rstrip() + "\n" for part in sections if not part.startswith(f"## {title}\n")]
    RESULTS.write_text("\n".join([*kept, section]), encoding="utf-8")
    print(section)


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
