"""A modified Kneser–Ney 5-gram model of 1e7 tokens, from ids to an ARPA file: ours against lmplz of KenLM 0.3.0.

PATH="$(.ci/lmplz):$PATH" python -m benchmarks.language_model
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.common import DOCUMENT, measure, median_of, peak_mb, real_tokens, scratch, write_lines, write_results

TOKENS = 10_000_000
ROUNDS = 3  # of every method in turn
CORES = [1, 2]
METHODS = ["ours", "lmplz"]


def ours(ids_path, arpa):
    """Read ids, count, estimate, write."""
    from lm_saturation.ngrams.arpa import write_arpa
    from lm_saturation.ngrams.kneser_ney import estimate

    ids = np.load(ids_path)
    write_arpa(estimate(ids, np.arange(DOCUMENT, len(ids) + DOCUMENT, DOCUMENT).clip(max=len(ids)), 50277), arpa)


def run_ours(ids):
    """One measurement, in this process: a small warm-up first, so that compiled code is loaded."""
    with scratch() as folder:
        for name, part in (("few", ids[:5000]), ("all", ids)):
            np.save(folder / f"{name}.npy", part)
        ours(folder / "few.npy", folder / "few.arpa")
        start = time.perf_counter()
        ours(folder / "all.npy", folder / "all.arpa")
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "peak_mb": peak_mb(), "entries": entries(folder / "all.arpa")}


def run_lmplz(ids):
    """One measurement, with as much memory as it asks for up to 4 GB."""
    with scratch() as folder:
        write_lines(ids, folder / "text")
        options = ["-o", "5", "--skip_symbols", "--discount_fallback", "-S", "4G", "-T", f"{folder}/"]
        files = ["--text", str(folder / "text"), "--arpa", str(folder / "model.arpa")]
        start = time.perf_counter()
        child = subprocess.Popen(["lmplz", *options, *files], stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0
        return {"seconds": seconds, "peak_mb": usage.ru_maxrss / 1024, "entries": entries(folder / "model.arpa")}


def entries(arpa: Path):
    """N-grams of each order, from the head of the file."""
    with arpa.open() as file:
        return [int(line[8:]) for line in (next(file) for _ in range(6)) if line.startswith("ngram ")]


def run(method, cores):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores)])
    ids = np.array(real_tokens()[:TOKENS])
    print(json.dumps({"ours": run_ours, "lmplz": run_lmplz}[method](ids)))


def main():
    if not shutil.which("lmplz"):
        sys.exit('no lmplz: run PATH="$(.ci/lmplz):$PATH" python -m benchmarks.language_model')
    real_tokens()
    runs = {(method, cores): [] for cores in CORES for method in METHODS}
    for _ in range(ROUNDS):
        for method, cores in runs:
            runs[method, cores].append(measure("benchmarks.language_model", method, str(cores), threads=cores))
    found = {key: median_of(costs) for key, costs in runs.items()}
    checks = {tuple(cost["entries"]) for cost in found.values()}
    if len(checks) != 1:
        sys.exit(f"the models differ: {checks}")
    lines = [
        f"{TOKENS:,} tokens of program text, V = 50,277, documents of {DOCUMENT:,}; {sum(checks.pop()):,} entries.",
        "From a file of ids (lmplz: the same as text) to an ARPA file. Ours is single-threaded, lmplz pipelines; KenLM",
        "0.3.0.",
        f"Median of {ROUNDS} processes.",
        "",
        "| method | cores | seconds | peak memory, MB | time / ours |",
        "|---|---:|---:|---:|---:|",
    ]
    for (method, cores), cost in found.items():
        ratio = cost["seconds"] / found["ours", cores]["seconds"]
        lines.append(f"| {method} | {cores} | {cost['seconds']:.2f} | {cost['peak_mb']:.0f} | {ratio:.1f} |")
    write_results("Kneser–Ney model of 1e7 tokens", "python -m benchmarks.language_model", ["numpy", "numba"], lines)


if __name__ == "__main__":
    run(*sys.argv[1:]) if len(sys.argv) > 1 else main()
