"""A modified Kneser–Ney 5-gram model of 1e7 tokens, from ids to an ARPA file, and the loss of 1e6 others under it.

Against lmplz and query of KenLM 0.3.0.

PATH="$(.ci/lmplz):$PATH" python -m benchmarks.language_model
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.common import DOCUMENT, measure, median_of, peak_mb, real_tokens, scratch, write_lines, write_results

TOKENS, SCORED = 10_000_000, 1_000_000
ROUNDS = 3  # of every method in turn
CORES = [1, 2]
METHODS = ["ours", "lmplz"]


def ends_of(ids):
    return np.arange(DOCUMENT, len(ids) + DOCUMENT, DOCUMENT).clip(max=len(ids))


def ours(ids_path, arpa):
    """Read ids, count, estimate, write; the model."""
    from lm_saturation.ngrams.arpa import write_arpa
    from lm_saturation.ngrams.kneser_ney import estimate

    ids = np.load(ids_path)
    model = estimate(ids, ends_of(ids), 50277)
    write_arpa(model, arpa)
    return model


def score(model, ids):
    """Seconds, and nats in all."""
    from lm_saturation.ngrams.language_model import document_losses
    from lm_saturation.text.splits import Documents

    start = time.perf_counter()
    losses = document_losses(model, Documents(ids, ends_of(ids)), ~np.isin(ids, model.types))
    return time.perf_counter() - start, losses.sum()


def run_ours(ids, others):
    """One measurement, in this process: a small warm-up first, so that compiled code is loaded."""
    with scratch() as folder:
        for name, part in (("few", ids[:5000]), ("all", ids)):
            np.save(folder / f"{name}.npy", part)
        score(ours(folder / "few.npy", folder / "few.arpa"), others[:5000])
        start = time.perf_counter()
        model = ours(folder / "all.npy", folder / "all.arpa")
        seconds, peak = time.perf_counter() - start, peak_mb()
        scoring, nats = score(model, others)
        unseen = np.count_nonzero(~np.isin(others, model.types)) * np.log(max(model.bos - len(model.types), 1))
        found = {"entries": entries(folder / "all.arpa"), "nats": (nats - unseen) / len(others)}
        return {"seconds": seconds, "peak_mb": peak, "scoring": scoring, **found}


def run_lmplz(ids, others):
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
        write_lines(others, folder / "others")
        start = time.perf_counter()
        with (folder / "others").open() as text:
            command = ["query", "-v", "word", str(folder / "model.arpa")]
            said = subprocess.run(command, stdin=text, capture_output=True, text=True, check=True).stdout
        scoring = time.perf_counter() - start
        scores = re.findall(r"(\S+)=\d+ \d (\S+)", said)
        nats = -np.log(10) * sum(float(log10) for word, log10 in scores if word != "</s>") / len(others)
        found = {"entries": entries(folder / "model.arpa"), "nats": nats}
        return {"seconds": seconds, "peak_mb": usage.ru_maxrss / 1024, "scoring": scoring, **found}


def entries(arpa: Path):
    """N-grams of each order, from the head of the file."""
    with arpa.open() as file:
        return [int(line[8:]) for line in (next(file) for _ in range(6)) if line.startswith("ngram ")]


def run(method, cores):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores)])
    ids, others = (np.array(part) for part in np.split(real_tokens()[: TOKENS + SCORED], [TOKENS]))
    print(json.dumps({"ours": run_ours, "lmplz": run_lmplz}[method](ids, others)))


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
    nats = [cost["nats"] for cost in found.values()]
    if max(nats) - min(nats) > 1e-5:
        sys.exit(f"the losses differ: {nats}")
    lines = [
        f"{TOKENS:,} tokens of program text, V = 50,277, documents of {DOCUMENT:,}; {sum(checks.pop()):,} entries.",
        "From a file of ids (lmplz: the same as text) to an ARPA file. Ours is single-threaded, lmplz pipelines.",
        f"Then the loss of {SCORED:,} other tokens, {nats[0]:.4f} nats: ours from the model in memory, query from the",
        "file that lmplz wrote. KenLM 0.3.0.",
        f"Median of {ROUNDS} processes.",
        "",
        "| method | cores | seconds | peak memory, MB | time / ours | loss, seconds | / ours |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for (method, cores), cost in found.items():
        ratio, scoring = (cost[name] / found["ours", cores][name] for name in ("seconds", "scoring"))
        cells = [method, cores, f"{cost['seconds']:.2f}", f"{cost['peak_mb']:.0f}", f"{ratio:.1f}"]
        lines.append("| " + " | ".join(map(str, [*cells, f"{cost['scoring']:.2f}", f"{scoring:.1f}"])) + " |")
    write_results("Kneser–Ney model of 1e7 tokens", "python -m benchmarks.language_model", ["numpy", "numba"], lines)


if __name__ == "__main__":
    run(*sys.argv[1:]) if len(sys.argv) > 1 else main()
