"""Rule `ngram_merge`: the counts of all shards of a corpus together, of the n-grams in one range of first tokens.

There are as many ranges, the partitions, as shards; each is a job.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from scripts.common.jobs import InputError, job, log
from scripts.common.tables import part_ranges, write_tables
from scripts.ngrams.count_tables import BASE_MB, PART_MB, logged, read_counts, sample_keys
from scripts.ngrams.counting import NgramCounts, whole_contexts
from scripts.ngrams.merging import merge_sorted

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

LAST_TOKEN = (1 << 32) - 1


def partition_bounds(tables: list[str], partitions: int) -> list[int]:
    """(partitions + 1) first tokens at which to cut, so that the parts between them hold about as many n-grams each."""
    ranges = sorted(part for table in tables for part in part_ranges("ngram_counts", table, "context_1"))
    if not ranges:
        return [0] * partitions + [LAST_TOKEN + 1]
    lowest, _, rows = np.array(ranges).T
    shares = np.cumsum(rows) / rows.sum()
    cuts = [int(lowest[np.searchsorted(shares, number / partitions)]) for number in range(1, partitions)]
    return [0, *cuts, LAST_TOKEN + 1]


def merged_counts(tables: list[str], order: int, partition: int) -> Iterator[NgramCounts]:
    """The counts of all shards together, of the n-grams of one of as many partitions as there are shards."""
    bounds = partition_bounds(tables, len(tables))
    low, high = bounds[partition], bounds[partition + 1] - 1
    log.info("partition %d: n-grams that start with tokens %d to %d", partition, low, high)
    streams = [_between(read_counts(table, order, ("context_1", low, high)), low, high) for table in tables]
    return whole_contexts(merge_sorted(streams))


def _between(parts: Iterator[NgramCounts], low: int, high: int) -> Iterator[NgramCounts]:
    """Only the n-grams whose first token is from low to high."""
    for part in parts:
        rows = slice(np.searchsorted(part.tokens[0], low), np.searchsorted(part.tokens[0], high, side="right"))
        yield NgramCounts(part.tokens[:, rows], part.counts[rows])


def check_memory(shards: int, memory_mb: int) -> None:
    """Raise InputError if merging the counts of so many shards takes more memory than is allowed."""
    if (needed := BASE_MB + 2 * PART_MB * shards) > memory_mb:
        raise InputError(
            f"ngrams.memory_mb is {memory_mb}; merging {shards} shards takes {needed:.0f}: "
            "allow more, or cut the corpus into fewer shards"
        )


if __name__ == "__main__":
    with job(snakemake):
        keys = sample_keys(dict(snakemake.wildcards))
        check_memory(len(snakemake.input), snakemake.resources.mem_mb)
        merged = merged_counts(list(snakemake.input), keys["order"], int(snakemake.wildcards.partition))
        write_tables("ngram_counts", snakemake.output[0], logged(merged, keys, snakemake.params.seeds[0]))
