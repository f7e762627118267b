"""Counting 1e7 and 1e8 5-grams in memory: ours against polars streaming, DuckDB, KenLM's lmplz and a Python Counter.

python -m benchmarks.counting
"""

import json
import shutil
import sys
from collections import Counter

import numpy as np

from benchmarks.common import (
    lmplz_counting,
    long_tokens,
    measure,
    median_of,
    scratch,
    timed,
    write_lines,
    write_results,
)

ORDER = 5
METHODS = {  # what is measured at each size, and on how many threads
    10_000_000: [("ours", 1), ("polars streaming", 1), ("duckdb", 1), ("Counter", 1)],
    100_000_000: [("ours", 1), ("ours", 2), ("polars streaming", 1), ("duckdb", 1), ("duckdb", 2), ("lmplz", 1)],
}
ROUNDS = 3  # of every method in turn, so that a slow minute of the machine hits all
NAMES = [f"c{i}" for i in range(ORDER)]


def ours(ids, threads):
    """Sorted counts, as every job of the workflow makes them: how many n-grams, how many distinct, sum of squares."""
    from lm_saturation.ngrams.counting import count_in_passes, ngram_starts

    starts = ngram_starts(len(ids), np.array([len(ids)]), ORDER)
    return summed(part.counts for part in count_in_passes(lambda: [(ids, starts)], ORDER, threads=threads))


def summed(parts):
    """What the methods must agree on."""
    totals = np.zeros(3, np.int64)
    for counts in parts:
        counts = counts.astype(np.int64)
        totals += [counts.sum(), len(counts), (counts**2).sum()]
    return totals.tolist()


def windows(ids):
    """The n-grams as columns that share the memory of `ids`."""
    return {name: ids[i : len(ids) - ORDER + 1 + i] for i, name in enumerate(NAMES)}


def polars_streaming(ids, _threads):
    """Counts in no order; its threads are set by the environment."""
    import polars as pl

    return summed([pl.LazyFrame(windows(ids)).group_by(NAMES).len().collect(engine="streaming")["len"].to_numpy()])


def duckdb_groups(ids, threads):
    """Counts in no order."""
    import duckdb
    import pyarrow as pa

    connection = duckdb.connect(config={"threads": threads})
    grams = pa.table(windows(ids))  # noqa: F841 (DuckDB finds it by name)
    return summed([connection.sql(f"SELECT count(*) n FROM grams GROUP BY {', '.join(NAMES)}").fetchnumpy()["n"]])


def python_counter(ids, _threads):
    """Counts in order of appearance."""
    columns = [column.tolist() for column in windows(ids).values()]
    return summed([np.fromiter(Counter(zip(*columns, strict=True)).values(), np.int64)])


def lmplz(ids):
    """KenLM's counting step, on text of the same ids; it counts lines of 1000, which it pads at both ends."""
    if not shutil.which("lmplz"):
        return None
    with scratch() as folder:
        write_lines(ids, folder / "text")
        return lmplz_counting(folder / "text", "16G")


def run(method, size, threads):
    """One measurement, in this process: a small warm-up first, so that compiled code is loaded."""
    ids = np.array(long_tokens(size + ORDER - 1))
    if method == "lmplz":
        print(json.dumps(lmplz(ids)))
        return
    work = {"ours": ours, "polars streaming": polars_streaming, "duckdb": duckdb_groups, "Counter": python_counter}
    work[method](ids[:1000], threads)
    totals, cost = timed(lambda: work[method](ids, threads), repeats=1 if method == "Counter" else 3)
    print(json.dumps(cost | {"totals": totals}))


def section(size):
    """Measure every method at a size and write its section of the results."""
    long_tokens(size + ORDER - 1)
    runs = {method: [] for method in METHODS[size]}
    for number in range(ROUNDS):
        for method, threads in METHODS[size]:
            once = method in ("Counter", "lmplz")
            cost = (
                None
                if number and once
                else measure("benchmarks.counting", method, str(size), str(threads), threads=threads)
            )
            if cost:
                runs[method, threads].append(cost)
    found = {method: median_of(costs) for method, costs in runs.items() if costs}
    totals = {tuple(cost["totals"]) for cost in found.values() if "totals" in cost}
    if len(totals) != 1:
        sys.exit(f"the methods disagree: {totals}")
    first = found["ours", 1]
    lines = [
        f"{size:,} 5-grams of program text, V = 50,277, {first['totals'][1]:,} distinct. Ours are sorted, those of",
        f"polars, DuckDB and Counter are not. Median of {ROUNDS} processes, each the median of 3 repeats (lmplz and",
        "Counter: once); peak memory is of the whole process, after the first. lmplz: its counting step alone, -S 16G.",
        "",
        "| method | threads | seconds | million 5-grams/s | peak memory, MB | time / ours |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for (method, threads), cost in found.items():
        rate, ratio = size / cost["seconds"] / 1e6, cost["seconds"] / first["seconds"]
        row = f"| {cost['seconds']:.2f} | {rate:.1f} | {cost['peak_mb']:.0f} | {ratio:.1f} |"
        lines.append(f"| {method} | {threads} {row}")
    packages = ["numpy", "numba", "polars", "duckdb"]
    write_results(f"Counting {size:.0e} 5-grams".replace("+0", ""), "python -m benchmarks.counting", packages, lines)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    else:
        for number in METHODS:
            section(number)
