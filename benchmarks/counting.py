"""Counting 1e7 5-grams, single thread: ours against polars streaming, DuckDB and a Python Counter.

python -m benchmarks.counting
"""

import json
import sys
from collections import Counter

import numpy as np

from benchmarks.common import measure, median_of, real_tokens, timed, write_results

NGRAMS = 10_000_000
ORDER = 5
METHODS = ["ours", "polars streaming", "duckdb", "Counter"]
ROUNDS = 5  # of every method in turn, so that a slow minute of the machine hits all; Counter runs once
NAMES = [f"c{i}" for i in range(ORDER)]


def ours(ids):
    """Sorted counts, as every job of the workflow makes them."""
    from scripts.ngrams.counting import count_ngrams, ngram_starts

    return count_ngrams(ids, ngram_starts(len(ids), np.array([len(ids)]), ORDER), ORDER).counts


def windows(ids):
    """The n-grams as columns that share the memory of `ids`."""
    return {name: ids[i : len(ids) - ORDER + 1 + i] for i, name in enumerate(NAMES)}


def polars_streaming(ids):
    """Counts in no order."""
    import polars as pl

    return pl.LazyFrame(windows(ids)).group_by(NAMES).len().collect(engine="streaming")["len"].to_numpy()


def duckdb_groups(ids):
    """Counts in no order."""
    import duckdb
    import pyarrow as pa

    connection = duckdb.connect(config={"threads": 1})
    grams = pa.table(windows(ids))  # noqa: F841 (DuckDB finds it by name)
    return connection.sql(f"SELECT {', '.join(NAMES)}, count(*) n FROM grams GROUP BY ALL").fetchnumpy()["n"]


def python_counter(ids):
    """Counts in order of appearance."""
    columns = [column.tolist() for column in windows(ids).values()]
    return np.fromiter(Counter(zip(*columns, strict=True)).values(), np.int64)


def run(method):
    """One measurement, in this process: a small warm-up first, so that compiled code is loaded."""
    work = {"ours": ours, "polars streaming": polars_streaming, "duckdb": duckdb_groups, "Counter": python_counter}[
        method
    ]
    ids = np.array(real_tokens()[: NGRAMS + ORDER - 1])
    work(ids[:1000])
    counts, cost = timed(lambda: work(ids), repeats=1 if method == "Counter" else 3)
    check = {"ngrams": int(counts.sum()), "distinct": len(counts), "squares": int((counts.astype(np.int64) ** 2).sum())}
    print(json.dumps(cost | check))


def main():
    real_tokens()
    runs = {method: [] for method in METHODS}
    for number in range(ROUNDS):
        for method in METHODS[: 3 if number else 4]:
            runs[method].append(measure("benchmarks.counting", method))
    found = {method: median_of(costs) for method, costs in runs.items()}
    checks = {tuple(cost[key] for key in ("ngrams", "distinct", "squares")) for cost in found.values()}
    if len(checks) != 1:
        sys.exit(f"the methods disagree: {checks}")
    first = found["ours"]
    lines = [
        f"{NGRAMS:,} 5-grams of program text, V = 50,277, {first['distinct']:,} distinct; one thread.",
        f"Ours gives sorted counts, the others unsorted. Median of {ROUNDS} processes, each the median of 3 repeats;",
        "peak memory is of the whole process, after the first.",
        "",
        "| method | seconds | million 5-grams/s | peak memory, MB | time / ours |",
        "|---|---:|---:|---:|---:|",
    ]
    for method, cost in found.items():
        rate, ratio = NGRAMS / cost["seconds"] / 1e6, cost["seconds"] / first["seconds"]
        lines.append(f"| {method} | {cost['seconds']:.2f} | {rate:.1f} | {cost['peak_mb']:.0f} | {ratio:.1f} |")
    write_results(
        "Counting 1e7 5-grams", "python -m benchmarks.counting", ["numpy", "numba", "polars", "duckdb"], lines
    )


if __name__ == "__main__":
    run(sys.argv[1]) if len(sys.argv) > 1 else main()
