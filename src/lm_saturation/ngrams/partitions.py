"""The counts of all shards of a corpus together, in partitions: one range of first tokens each, as many as shards."""

from collections.abc import Iterator, Sequence

import numpy as np

from lm_saturation.io.logs import log
from lm_saturation.io.tables import part_ranges
from lm_saturation.ngrams.count_tables import read_counts
from lm_saturation.ngrams.counting import PART_MB, NgramCounts, cut_between_contexts
from lm_saturation.ngrams.memory import require_memory
from lm_saturation.ngrams.merging import merge_sorted

LAST_TOKEN = (1 << 32) - 1


def merged_counts(tables: Sequence[str], order: int, partition: int) -> Iterator[NgramCounts]:
    """The counts of one partition, from the tables `ngram_counts` of all shards."""
    bounds = partition_bounds(tables, len(tables))
    low, high = bounds[partition], bounds[partition + 1] - 1
    log.info("partition %d: n-grams that start with tokens %d to %d", partition, low, high)
    streams = [_between(read_counts(table, order, ("context_1", low, high)), low, high) for table in tables]
    return cut_between_contexts(merge_sorted(streams))


def partition_bounds(tables: Sequence[str], partitions: int) -> list[int]:
    """(partitions + 1) first tokens at which to cut, so that all partitions hold about as many n-grams."""
    ranges = sorted(part for table in tables for part in part_ranges("ngram_counts", table, "context_1"))
    if not ranges:
        return [0] * partitions + [LAST_TOKEN + 1]
    lowest, _, rows = np.array(ranges).T
    shares = np.cumsum(rows) / rows.sum()
    cuts = [int(lowest[np.searchsorted(shares, number / partitions)]) for number in range(1, partitions)]
    return [0, *cuts, LAST_TOKEN + 1]


def require_merge_memory(shards: int, memory_mb: int) -> None:
    """Raise InputError if merging the counts of so many shards takes more memory than is allowed."""
    require_memory(2 * PART_MB * shards, memory_mb, f"merging {shards} shards", "cut the corpus into fewer shards")


def _between(parts: Iterator[NgramCounts], low: int, high: int) -> Iterator[NgramCounts]:
    """The n-grams whose first token is from low to high."""
    for part in parts:
        rows = slice(np.searchsorted(part.tokens[0], low), np.searchsorted(part.tokens[0], high, side="right"))
        yield NgramCounts(part.tokens[:, rows], part.counts[rows])
