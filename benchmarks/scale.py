"""What counting 300e9 tokens would take: rates measured here on real text, extrapolated to a cluster; docs/scale.md.

python -m benchmarks.scale
"""

import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import scipy.linalg
from tokenizers import Tokenizer

from benchmarks.common import CACHE, machine, real_tokens, scratch
from lm_saturation.io.tables import read_parts, write_tables
from lm_saturation.ngrams.count_tables import count_columns, count_samples, open_stream
from lm_saturation.ngrams.counting import count_in_passes, ngram_starts
from lm_saturation.ngrams.matrix import matrix_parts
from lm_saturation.ngrams.partitions import merged_counts
from lm_saturation.text.encoding import tokenise
from lm_saturation.text.make_tokenizers import train_tokenizer
from lm_saturation.text.token_files import write_tokens

TOKENS = 300_000_000_000  # The Pile, about once
SHARDS = 300
VOCABULARY = 50_277
SAMPLE = 20_000_000  # tokens that the rates are measured on, in two shards
KEYS = {"corpus": "c", "tokenizer": "t", "order": 5, "sample_size": "all"}
PAGE = Path(__file__).resolve().parents[1] / "docs" / "scale.md"


def seconds(work):
    """What `work` gives, and how long it takes."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def growth(ids):
    """Distinct 5-grams among n tokens as a·n^b (Heaps' law), by least squares on the logarithms."""
    sizes = [1_000_000, 3_000_000, 10_000_000, 30_000_000, len(ids)]
    distinct = []
    for size in sizes:
        part = np.asarray(ids[:size])
        starts = ngram_starts(size, np.array([size]), 5)
        distinct.append(sum(len(counts.counts) for counts in count_in_passes(lambda: [(part, starts)], 5)))  # noqa: B023
    slope, intercept = np.polyfit(np.log(sizes), np.log(distinct), 1)
    return lambda tokens: float(np.exp(intercept) * tokens**slope), slope


def tokenising(folder):
    """Tokens/second on one thread, and bytes of text and of the corpus table for each token."""
    text = CACHE / "text.parquet"
    tokenizer = train_tokenizer("byte-bpe", 8192, [str(text)])
    file = pq.ParquetFile(text)
    some = folder / "some.parquet"
    with pq.ParquetWriter(some, file.schema_arrow) as writer:
        writer.write_table(file.read_row_group(0))
    tokens, took = seconds(lambda: sum(map(len, tokenise(some, Tokenizer.from_str(tokenizer.to_str())))))
    size = sum(len(document.encode()) for document in file.read_row_group(0, ["text"])["text"].to_pylist())
    return {"rate": tokens / took, "bytes": size / tokens}


def counting(folder, ids):
    """Seconds and bytes of each rule on two shards of real tokens."""
    shards = np.array_split(np.asarray(ids[:SAMPLE]), 2)
    tables = [str(folder / f"shard{number}.parquet") for number in range(2)]
    costs = {"shard": 0.0, "merge": 0.0}
    for number, shard in enumerate(shards):
        write_tokens(folder / f"{number}.json", np.array_split(shard, 1000), VOCABULARY, {"corpus": "c"})
        stream = open_stream([folder / f"{number}.json"], 5, cross_documents=False)
        write = lambda: write_tables("ngram_counts", tables[number], count_samples([(0, stream)], KEYS, 4000, 1))  # noqa: B023, E731
        costs["shard"] += seconds(write)[1]
    merged = [str(folder / f"partition{number}.parquet") for number in range(2)]
    for number, table in enumerate(merged):
        parts = count_columns(merged_counts(tables, 5, number), KEYS, 0)
        costs["merge"] += seconds(lambda: write_tables("ngram_counts", table, parts))[1]  # noqa: B023
    matrix = folder / "matrix.parquet"
    costs["matrix"] = seconds(lambda: write_tables("ngram_matrix", matrix, matrix_parts(merged, KEYS)))[1]
    columns = ["row", "next_token", "probability"]
    costs["read"] = seconds(lambda: sum(len(part) for part in read_parts("ngram_matrix", matrix, columns)))[1]
    rows = {"shard": sum(map(_rows, tables)), "merge": sum(map(_rows, merged)), "matrix": _rows(matrix)}
    sizes = {name: folder / file for name, file in (("shard", "shard0.parquet"), ("merge", "partition0.parquet"))}
    per_row = {name: path.stat().st_size / _rows(path) for name, path in (sizes | {"matrix": matrix}).items()}
    return costs, rows, per_row


def _rows(path):
    return pq.read_metadata(path).num_rows


def eigensolve():
    """Seconds of one dense eigensolve of all 50,277 token types, carried over from 4,096 by the cube."""
    noise = np.random.default_rng(0).normal(size=(4096, 4096))
    _, took = seconds(lambda: scipy.linalg.eigvalsh(noise @ noise.T, overwrite_a=True, driver="evd"))
    return took * (VOCABULARY / 4096) ** 3


def rows_of_table():
    """One row of the page per stage: jobs, hours of one, bytes read and written, memory."""
    ids = real_tokens()
    distinct, slope = growth(ids)
    with scratch() as folder:
        text = tokenising(folder)
        costs, rows, per_row = counting(folder, ids)
    shard = TOKENS / SHARDS
    of_shard, of_all = distinct(shard), distinct(TOKENS)
    merged = SHARDS * of_shard / SHARDS  # rows that a partition reads
    stages = [
        ("corpus", SHARDS, shard * text["bytes"] / 50e6, TOKENS * text["bytes"], TOKENS * text["bytes"] / 3, 1),
        ("tokens", SHARDS, shard / text["rate"], TOKENS * text["bytes"] / 3, 2 * TOKENS, 2),
        ("ngram_shard", SHARDS, shard * costs["shard"] / SAMPLE, 2 * TOKENS, SHARDS * of_shard * per_row["shard"], 4),
        (
            "ngram_merge",
            SHARDS,
            merged * costs["merge"] / rows["shard"],
            SHARDS * of_shard * per_row["shard"],
            of_all * per_row["merge"],
            12,
        ),
        (
            "ngram_matrix",
            1,
            of_all * costs["matrix"] / rows["merge"],
            of_all * per_row["merge"],
            of_all * per_row["matrix"],
            1,
        ),
        (
            "ngram_spectrum",
            1,
            2 * of_all * costs["read"] / rows["matrix"] + eigensolve(),
            2 * of_all * per_row["matrix"],
            1e7,
            24,
        ),
    ]
    return stages, {"distinct of a shard": of_shard, "distinct of all": of_all, "slope": slope} | text


def main():
    stages, facts = rows_of_table()
    lines = []
    for name, jobs, took, read, written, memory in stages:
        time_taken = f"{took / 3600:.2f} | {jobs * took / 3600:,.0f}"
        lines.append(f"| `{name}` | {jobs} | {time_taken} | {read / 1e12:.2f} | {written / 1e12:.2f} | {memory} |")
    total = sum(jobs * took for _, jobs, took, *_ in stages) / 3600
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split("<!-- measured -->")[0], text.split("<!-- end -->")[1]
    body = "\n".join(
        [
            "<!-- measured -->",
            f"Measured on {machine()}, one thread per job: {facts['rate'] / 1e6:.1f} million tokens/s tokenised,",
            f"{facts['bytes']:.1f} bytes/token of text. Distinct 5-grams grow as the tokens to the power of",
            f"{facts['slope']:.2f}: {facts['distinct of a shard']:.2g} in a shard of {TOKENS / SHARDS:.0e} tokens, "
            f"{facts['distinct of all']:.2g} in all.",
            "",
            "| rule | jobs | hours/job | hours in all | read, TB | written, TB | memory of a job, GB |",
            "|---|---:|---:|---:|---:|---:|---:|",
            *lines,
            "",
            f"In all {total:,.0f} hours of one core; with 200 jobs in parallel about {_elapsed(stages):.0f} hours.",
            "<!-- end -->",
        ]
    )
    PAGE.write_text(head + body + rest, encoding="utf-8")
    print(body)


def _elapsed(stages, at_a_time=200):
    return sum(-(-jobs // at_a_time) * took for _, jobs, took, *_ in stages) / 3600


if __name__ == "__main__":
    main()
