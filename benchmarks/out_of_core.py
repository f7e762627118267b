"""Counting 1e9 5-grams in bounded memory: in passes, and in shards merged by partition, against KenLM's lmplz.

python -m benchmarks.out_of_core
"""

import json
import shutil
import sys
import time

import numpy as np

from benchmarks.common import CACHE, lmplz_counting, long_tokens, measure, peak_mb, write_lines, write_results
from lm_saturation.io.tables import write_tables
from lm_saturation.ngrams.count_tables import count_columns, count_samples, open_stream
from lm_saturation.ngrams.counting import count_in_passes
from lm_saturation.ngrams.partitions import merged_counts
from lm_saturation.text.token_files import write_tokens

TOKENS = 1_000_000_000
SHARDS = 4
ORDER = 5
KEYS = {"corpus": "long", "tokenizer": "bpe-50k", "order": ORDER, "sample_size": "all"}
WORK = CACHE / "out_of_core"


def whole():
    """The record of all tokens as one shard."""
    long_tokens(TOKENS)
    return CACHE / f"tokens-long-{TOKENS}.json"


def count(memory_mb, threads):
    """All n-grams of one shard, not written: what lmplz's counting step does."""
    stream = open_stream([whole()], ORDER, cross_documents=False)
    start = time.perf_counter()
    parts = count_in_passes(stream, ORDER, (int(memory_mb) - 500) * 1e6, int(threads))
    totals = np.sum([(part.counts.sum(), len(part.counts)) for part in parts], axis=0)
    return {"seconds": time.perf_counter() - start, "totals": totals.tolist()}


def shard(records, name, memory_mb, threads):
    """The rule ngram_shard: from token files to a sorted Parquet table."""
    start = time.perf_counter()
    stream = open_stream([records], ORDER, cross_documents=False)
    write_tables("ngram_counts", WORK / name, count_samples([(0, stream)], KEYS, int(memory_mb), int(threads)))
    return {"seconds": time.perf_counter() - start, "bytes": (WORK / name).stat().st_size}


def merge(partition):
    """The rule ngram_merge for one partition of several shards."""
    start = time.perf_counter()
    tables = [str(WORK / f"shard{number}.parquet") for number in range(SHARDS)]
    path = WORK / f"partition{partition}.parquet"
    write_tables("ngram_counts", path, count_columns(merged_counts(tables, ORDER, int(partition)), KEYS, 0))
    return {"seconds": time.perf_counter() - start, "bytes": path.stat().st_size}


def lmplz(memory):
    """KenLM's counting step on the same ids as text."""
    text = CACHE / "long.txt"
    if not text.is_file():
        write_lines(long_tokens(TOKENS), text)
    return lmplz_counting(text, memory)


def split():
    """The same tokens as shards."""
    ids = long_tokens(TOKENS)
    for number, part in enumerate(np.array_split(ids, SHARDS)):
        if not (WORK / f"shard{number}.json").is_file():
            documents = np.array_split(part, len(part) // 1000)
            write_tokens(WORK / f"shard{number}.json", documents, 50277, {"corpus": "long"})


def row(name, cost, jobs=1):
    """A line of the table of results."""
    rate = TOKENS / cost["seconds"] / 1e6
    size = f"{cost['bytes'] / 1e9:.1f}" if "bytes" in cost else ""
    return f"| {name} | {jobs} | {cost['seconds']:.0f} | {rate:.1f} | {cost['peak_mb'] / 1000:.1f} | {size} |"


def in_jobs(name, calls):
    """Several jobs one after the other: time and bytes of all together, memory of the largest."""
    costs = [measure("benchmarks.out_of_core", *map(str, call)) for call in calls]
    total = {key: sum(cost[key] for cost in costs) for key in ("seconds", "bytes")}
    return row(name, total | {"peak_mb": max(cost["peak_mb"] for cost in costs)}, len(costs))


def main():
    WORK.mkdir(parents=True, exist_ok=True)
    whole()
    split()
    direct = [measure("benchmarks.out_of_core", "count", "4000", str(n), threads=n) for n in (1, 2)]
    rows = [row(f"ours, in passes, memory_mb 4000, {n} threads", cost) for n, cost in enumerate(direct, 1)]
    rows.append(in_jobs("ours, in passes, to sorted Parquet", [("shard", whole(), "whole.parquet", 4000, 1)]))
    shards = [("shard", WORK / f"shard{n}.json", f"shard{n}.parquet", 2000, 1) for n in range(SHARDS)]
    rows.append(in_jobs(f"ours, {SHARDS} shards to Parquet, memory_mb 2000", shards))
    rows.append(in_jobs("ours, their merge to partitions", [("merge", number) for number in range(SHARDS)]))
    ratio = ""
    if shutil.which("lmplz"):
        peer = measure("benchmarks.out_of_core", "lmplz", "4G")
        rows.append(row("lmplz -S 4G, counting step", peer))
        ratio = f"lmplz / ours, both in 4 GB and one thread of ours: {peer['seconds'] / direct[0]['seconds']:.1f}."
    lines = [
        f"{TOKENS:,} tokens, V = 50,277: real program text, then pieces of it rejoined where they hold the same token;",
        f"{direct[0]['totals'][1]:,} distinct 5-grams within documents of 1,000 tokens. {ratio}",
        "",
        "| work | jobs | seconds | million tokens/s | peak memory, GB | bytes written, GB |",
        "|---|---:|---:|---:|---:|---:|",
        *rows,
    ]
    write_results("Counting 1e9 5-grams", "python -m benchmarks.out_of_core", ["numpy", "numba", "pyarrow"], lines)
    shutil.rmtree(WORK)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        program = {"count": count, "shard": shard, "merge": merge, "lmplz": lmplz}[sys.argv[1]]
        cost = program(*sys.argv[2:])
        print(json.dumps({"peak_mb": peak_mb()} | cost))
    else:
        main()
