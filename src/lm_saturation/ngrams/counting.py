"""Exact n-gram counts by partition and sort, in as much memory as is allowed.

Every n-gram is put into the bucket of its first token; the other n - 1 tokens, 16 bits each, make one 64-bit key.
Sorting each bucket's keys and counting runs gives the counts in lexicographic order. An n-gram takes at most twelve
bytes until its count is written; where that is too much for the memory allowed, the tokens are read several times,
each time for the n-grams whose first token lies in the next range of ids. Vocabularies above 2^16 go through the same
path when at most 2^16 distinct ids occur, else through a slower one.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm_saturation.errors import InputError
from lm_saturation.io.logs import log
from lm_saturation.ngrams.counting_kernels import (
    FAST_TYPES,
    MAX_ORDER,
    SMALL,
    context_end,
    count_first_tokens,
    fill_buckets,
    find_runs,
    mark_starts,
    sort_buckets,
    unpack,
)

MIDDLE = 1 << 14  # keys in the largest bucket that compiled code sorts where there are several threads
PART = 1 << 18  # distinct n-grams in a part of the counts: 25 MB as columns of a table
PART_MB = PART * 64 / 1e6  # of memory that a part takes while it is read and merged
NGRAM_BYTES = 12  # of memory that an n-gram takes: its key and its count
WIDE_BYTES = 80  # the same in the slow path: five columns twice over, and two permutations

# Some ids, and whether an n-gram starts at each but the last few. Ids overlap from chunk to chunk, starts do not.
Chunk = tuple[NDArray[Any], NDArray[np.bool_]]


@dataclass(frozen=True)
class NgramCounts:
    """Distinct n-grams in lexicographic order: `tokens` (order, n) ids and `counts` (n,) int64."""

    tokens: NDArray[Any]
    counts: NDArray[np.int64]


def ngram_starts(length: int, ends: NDArray[np.int64], order: int) -> NDArray[np.bool_]:
    """(length,) whether an n-gram starts at each token: one that ends within the same document.

    `ends` (documents,) holds the position just past each document, the last of them `length`.
    """
    starts = np.zeros(length, np.bool_)
    mark_starts(starts, np.asarray(ends, np.int64), 0, order)
    return starts


def count_ngrams(ids: NDArray[Any], starts: NDArray[np.bool_], order: int, threads: int = 1) -> NgramCounts:
    """Count the n-grams of `order` tokens that start where `starts` is true. ids (T,), starts (T,).

    Raises ValueError if the order is not between 2 and 5.
    """
    parts = list(count_in_passes(lambda: [(ids, starts)], order, threads=threads))
    return _join(parts) if parts else NgramCounts(np.empty((order, 0), ids.dtype), np.empty(0, np.int64))


def count_in_passes(
    chunks: Callable[[], Iterable[Chunk]], order: int, memory_bytes: float = np.inf, threads: int = 1
) -> Iterator[NgramCounts]:
    """Count the n-grams of a stream of tokens, which `chunks()` starts anew for each pass.

    Yields the counts in order, in parts of about `PART` that never cut the followers of a context in two. Takes
    `memory_bytes` beside one chunk and one part. Raises ValueError if the order is not between 2 and 5, InputError
    if the n-grams that start with one single token take more.
    """
    if not 2 <= order <= MAX_ORDER:
        raise ValueError(f"order is {order}; allowed is 2 to {MAX_ORDER}")
    types = _wide_types(chunks)
    if types is None:
        yield from _count_fast(chunks, order, memory_bytes, threads)
    elif len(types) > FAST_TYPES:
        yield from _count_wide(partial(_ranked, chunks, types, np.uint32), types, order, memory_bytes)
    else:
        for part in _count_fast(partial(_ranked, chunks, types, np.uint16), order, memory_bytes, threads):
            yield NgramCounts(types[part.tokens], part.counts)


def _wide_types(chunks: Callable[[], Iterable[Chunk]]) -> NDArray[Any] | None:
    """The distinct ids, sorted, where ids are wider than the fast path's; else None."""
    types = None
    for ids, _ in chunks():
        if ids.dtype.itemsize <= 2:
            return None
        chunk_types = np.unique(ids)
        types = chunk_types if types is None else np.union1d(types, chunk_types)
    return types


def _ranked(chunks: Callable[[], Iterable[Chunk]], types: NDArray[Any], dtype: Any) -> Iterator[Chunk]:
    """The chunks with each id replaced by its rank among the types, which keeps their order."""
    for ids, starts in chunks():
        yield np.searchsorted(types, ids).astype(dtype), starts


def _ranges(sizes: NDArray[np.int64], capacity: float) -> Iterator[tuple[int, int]]:
    """Cut the first tokens into ranges [low, high) of at most `capacity` n-grams each; none is empty."""
    if (largest := sizes.max(initial=0)) > capacity:
        raise InputError(
            f"{largest:,} n-grams start with the token {sizes.argmax()}, and {int(capacity):,} fit in memory: "
            "allow more ngrams.memory_mb, or cut the corpus into more ngrams.shards"
        )
    bounds = np.append(0, np.cumsum(sizes))
    low = 0
    while bounds[low] < bounds[-1]:
        high = int(np.searchsorted(bounds, bounds[low] + capacity, side="right")) - 1
        yield low, high
        low = high


def _count_fast(
    chunks: Callable[[], Iterable[Chunk]], order: int, memory_bytes: float, threads: int
) -> Iterator[NgramCounts]:
    with ThreadPoolExecutor(threads) as pool:
        sizes = np.zeros(FAST_TYPES, np.int64)
        for ids, starts in chunks():
            sizes += sum(_first_tokens(ids, starts, 0, FAST_TYPES, threads, pool))
        ranges = list(_ranges(sizes, memory_bytes / NGRAM_BYTES))
        for number, (low, high) in enumerate(ranges, 1):
            if len(ranges) > 1:
                log.info("pass %d of %d: n-grams that start with tokens %d to %d", number, len(ranges), low, high - 1)
            yield from _count_range(chunks, order, low, sizes[low:high], threads, pool)


def _first_tokens(
    ids: NDArray[Any], starts: NDArray[np.bool_], low: int, high: int, threads: int, pool: ThreadPoolExecutor
) -> list[NDArray[np.int64]]:
    """For each thread's slice of a chunk, the n-grams that start with each token of [low, high)."""
    cuts = _cuts(len(starts), threads)

    def count(begin: int, end: int) -> NDArray[np.int64]:
        return count_first_tokens(ids, starts, begin, end, low, high)

    return list(pool.map(count, cuts[:-1], cuts[1:]))


def _cuts(length: int, threads: int) -> list[int]:
    """Where each thread's part of a chunk begins, and where the last one ends."""
    return [number * length // threads for number in range(threads + 1)]


def _count_range(
    chunks: Callable[[], Iterable[Chunk]],
    order: int,
    low: int,
    sizes: NDArray[np.int64],
    threads: int,
    pool: ThreadPoolExecutor,
) -> Iterator[NgramCounts]:
    """One pass: the counts of the n-grams that start with the tokens low, low + 1, ..., `sizes` of each."""
    bounds = np.append(0, np.cumsum(sizes))  # bounds[t] is where the bucket of first token low + t begins
    keys = np.empty(bounds[-1], np.uint64)
    cursor = bounds[:-1].copy()
    dtype: Any = np.uint16
    for ids, starts in chunks():
        _fill_buckets(ids, starts, order, low, cursor, keys, threads, pool)
        dtype = ids.dtype
    counts = np.empty(len(keys), np.uint32 if len(keys) < 1 << 32 else np.int64)
    pieces = 4 * threads if len(keys) > PART else 1  # several per thread, so that all end at about the same time
    cuts = np.unique(np.searchsorted(bounds, np.linspace(0, bounds[-1], pieces + 1)))
    groups = [bounds[begin : end + 1] for begin, end in pairwise(cuts)]
    # a call of numpy takes Python's lock, so several threads leave only large buckets to it
    compiled = SMALL if threads == 1 else MIDDLE
    sorted_groups = pool.map(lambda group: _sort_and_count(keys, group, counts, compiled), groups)
    for first, group, distinct in zip(low + cuts[:-1], groups, sorted_groups, strict=True):
        rows = slice(group[0], group[0] + distinct[-1])
        yield from _parts(keys[rows], counts[rows], distinct, first, order, dtype)


def _fill_buckets(
    ids: NDArray[Any],
    starts: NDArray[np.bool_],
    order: int,
    low: int,
    cursor: NDArray[np.int64],
    keys: NDArray[np.uint64],
    threads: int,
    pool: ThreadPoolExecutor,
) -> None:
    """Put the key of each n-gram of a chunk where `cursor` says, and move the cursor on."""
    cuts = _cuts(len(starts), threads)
    cursors = [cursor]
    if threads > 1:  # each thread begins where those before it will end
        ahead = _first_tokens(ids, starts, low, low + len(cursor), threads, pool)
        cursors = list(np.cumsum([cursor, *ahead[:-1]], axis=0))
        cursor += sum(ahead)
    parts = zip(cuts[:-1], cuts[1:], cursors, strict=True)
    list(pool.map(lambda part: fill_buckets(ids, starts, part[0], part[1], order, low, part[2], keys), parts))


def _sort_and_count(
    keys: NDArray[np.uint64], bounds: NDArray[np.int64], counts: NDArray[Any], compiled: int
) -> NDArray[np.int64]:
    """Sort the buckets between `bounds`, move their distinct keys to the front and count each.

    Buckets of more than `compiled` keys are left to numpy, which sorts 64-bit keys with vector instructions. Returns
    (buckets + 1,) the number of distinct keys before each bucket.
    """
    sort_buckets(keys, bounds, compiled)
    for bucket in np.flatnonzero(np.diff(bounds) > compiled):
        keys[bounds[bucket] : bounds[bucket + 1]].sort()
    distinct = np.zeros(len(bounds), np.int64)
    find_runs(keys, bounds, counts, distinct)
    return distinct


def _parts(
    keys: NDArray[np.uint64], counts: NDArray[Any], bounds: NDArray[np.int64], low: int, order: int, dtype: Any
) -> Iterator[NgramCounts]:
    """The distinct n-grams as columns, cut between contexts; bucket t, from bounds[t] on, has first token low + t."""
    begin = 0
    while begin < len(keys):
        end = context_end(keys, bounds, min(begin + PART, len(keys)), order)
        tokens = np.empty((order, end - begin), dtype)
        unpack(keys, bounds, begin, low, tokens)
        yield NgramCounts(tokens, counts[begin:end].astype(np.int64))
        begin = end


def _count_wide(
    chunks: Callable[[], Iterable[Chunk]], types: NDArray[Any], order: int, memory_bytes: float
) -> Iterator[NgramCounts]:
    """The counts where there are more than 2^16 types: sorts columns instead of keys. Chunks hold ranks of types."""
    sizes = np.zeros(len(types), np.int64)
    for ids, starts in chunks():
        sizes += np.bincount(ids[: len(starts)][starts], minlength=len(types))
    for low, high in _ranges(sizes, memory_bytes / WIDE_BYTES):
        columns = np.hstack([_columns(ids, starts, order, low, high) for ids, starts in chunks()])
        columns = columns[:, np.lexsort(columns[::-1])]
        new = np.ones(columns.shape[1], np.bool_)
        new[1:] = (columns[:, 1:] != columns[:, :-1]).any(0)
        begins = np.flatnonzero(new)
        counts = np.diff(np.append(begins, len(new)))
        yield from cut_between_contexts([NgramCounts(types[columns[:, begins]], counts)])


def _columns(ids: NDArray[Any], starts: NDArray[np.bool_], order: int, low: int, high: int) -> NDArray[Any]:
    """(order, n) the n-grams of a chunk whose first token is in [low, high)."""
    first = ids[: len(starts)]
    in_range = np.flatnonzero(starts & (first >= low) & (first < high))
    return np.stack([ids[in_range + offset] for offset in range(order)])


def cut_between_contexts(parts: Iterable[NgramCounts]) -> Iterator[NgramCounts]:
    """Cut sorted counts into parts of about `PART` n-grams that never cut the followers of a context in two."""
    waiting: list[NgramCounts] = []
    for part in parts:
        waiting.append(part)
        if sum(len(counts.counts) for counts in waiting) <= PART:
            continue
        joined = _join(waiting)
        # where a context ends; the last one may go on in the next part
        ends = 1 + np.flatnonzero((joined.tokens[:-1, 1:] != joined.tokens[:-1, :-1]).any(0))
        begin = 0
        while len(later := ends[np.searchsorted(ends, begin + PART) :]):
            yield _slice(joined, begin, later[0])
            begin = later[0]
        waiting = [_slice(joined, begin, len(joined.counts))]
    if waiting:
        yield _join(waiting)


def _slice(counts: NgramCounts, begin: int, end: int) -> NgramCounts:
    return NgramCounts(counts.tokens[:, begin:end], counts.counts[begin:end])


def _join(parts: list[NgramCounts]) -> NgramCounts:
    return NgramCounts(np.hstack([part.tokens for part in parts]), np.hstack([part.counts for part in parts]))
