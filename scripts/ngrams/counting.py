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

import numba
import numpy as np
from numpy.typing import NDArray

from scripts.common.jobs import InputError, log

KEY_BITS = 16  # of a token within a key
FAST_TYPES = 1 << KEY_BITS  # distinct ids that the fast path can tell apart
MAX_ORDER = 5  # one token for the bucket, four for the key
ALL_BITS = (1 << 64) - 1
SMALL = 24  # keys in a bucket that is sorted by insertion
MIDDLE = 1 << 14  # keys in a bucket that one of several threads sorts itself
PART = 1 << 18  # distinct n-grams given at a time: 25 MB as columns of a table
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
    if not parts:
        return NgramCounts(np.empty((order, 0), ids.dtype), np.empty(0, np.int64))
    return NgramCounts(np.hstack([part.tokens for part in parts]), np.hstack([part.counts for part in parts]))


def count_in_passes(
    chunks: Callable[[], Iterable[Chunk]], order: int, memory_bytes: float = np.inf, threads: int = 1
) -> Iterator[NgramCounts]:
    """Count the n-grams of a stream of tokens, which `chunks()` gives anew for each pass.

    Gives the counts in order, in parts of about `PART` that never cut the followers of a context in two. Takes
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
        found = np.unique(ids)
        types = found if types is None else np.union1d(types, found)
    return types


def _ranked(chunks: Callable[[], Iterable[Chunk]], types: NDArray[Any], dtype: Any) -> Iterator[Chunk]:
    """The chunks with each id replaced by its rank among the types, which keeps their order."""
    for ids, starts in chunks():
        yield np.searchsorted(types, ids).astype(dtype), starts


def _ranges(sizes: NDArray[np.int64], capacity: float) -> Iterator[tuple[int, int]]:
    """Cut the first tokens into ranges [low, high) of at most `capacity` n-grams each; empty ones are left out."""
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
    return list(pool.map(lambda begin, end: _count_first(ids, starts, begin, end, low, high), cuts[:-1], cuts[1:]))


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
    pieces = 4 * threads if len(keys) > PART else 1  # several a thread, so that all end at about the same time
    cuts = np.unique(np.searchsorted(bounds, np.linspace(0, bounds[-1], pieces + 1)))
    groups = [bounds[begin : end + 1] for begin, end in pairwise(cuts)]
    # calls of numpy take Python's lock: one thread makes them from small buckets on, several only where they last
    alone = SMALL if threads == 1 else MIDDLE
    found = pool.map(lambda group: _sort_and_count(keys, group, counts, alone), groups)
    for first, group, distinct in zip(low + cuts[:-1], groups, found, strict=True):
        here = slice(group[0], group[0] + distinct[-1])
        yield from _parts(keys[here], counts[here], distinct, first, order, dtype)


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
    if threads > 1:  # each thread writes behind what those before it will write
        ahead = _first_tokens(ids, starts, low, low + len(cursor), threads, pool)
        cursors = list(np.cumsum([cursor, *ahead[:-1]], axis=0))
        cursor += sum(ahead)
    parts = zip(cuts[:-1], cuts[1:], cursors, strict=True)
    list(pool.map(lambda part: _fill(ids, starts, part[0], part[1], order, low, part[2], keys), parts))


def _sort_and_count(
    keys: NDArray[np.uint64], bounds: NDArray[np.int64], counts: NDArray[Any], alone: int
) -> NDArray[np.int64]:
    """Sort the buckets between `bounds`, move their distinct keys to the front and count each.

    Buckets of more than `alone` keys are left to numpy, which sorts 64-bit keys with vector instructions. Returns
    (buckets + 1,) the number of distinct keys before each bucket.
    """
    _sort_buckets(keys, bounds, alone)
    for bucket in np.flatnonzero(np.diff(bounds) > alone):
        keys[bounds[bucket] : bounds[bucket + 1]].sort()
    distinct = np.zeros(len(bounds), np.int64)
    _find_runs(keys, bounds, counts, distinct)
    return distinct


def _parts(
    keys: NDArray[np.uint64], counts: NDArray[Any], bounds: NDArray[np.int64], low: int, order: int, dtype: Any
) -> Iterator[NgramCounts]:
    """The distinct n-grams as columns, cut between contexts; bucket t, from bounds[t] on, has first token low + t."""
    begin = 0
    while begin < len(keys):
        end = _context_end(keys, bounds, min(begin + PART, len(keys)), order)
        tokens = np.empty((order, end - begin), dtype)
        _unpack(keys, bounds, begin, low, tokens)
        yield NgramCounts(tokens, counts[begin:end].astype(np.int64))
        begin = end


def _count_wide(
    chunks: Callable[[], Iterable[Chunk]], types: NDArray[Any], order: int, memory_bytes: float
) -> Iterator[NgramCounts]:
    """The same for more than 2^16 types: sorts columns instead of keys. The chunks hold ranks among the types."""
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
        yield from whole_contexts([NgramCounts(types[columns[:, begins]], counts)])


def _columns(ids: NDArray[Any], starts: NDArray[np.bool_], order: int, low: int, high: int) -> NDArray[Any]:
    """(order, n) the n-grams of a chunk whose first token is in [low, high)."""
    first = ids[: len(starts)]
    chosen = np.flatnonzero(starts & (first >= low) & (first < high))
    return np.stack([ids[chosen + offset] for offset in range(order)])


def whole_contexts(parts: Iterable[NgramCounts]) -> Iterator[NgramCounts]:
    """Cut sorted counts anew, into parts of about `PART` that never cut the followers of a context in two."""
    rest: list[NgramCounts] = []
    for part in parts:
        rest.append(part)
        if sum(len(one.counts) for one in rest) <= PART:
            continue
        whole = _joined(rest)
        # where a context ends; the last one may go on in the next part
        ends = 1 + np.flatnonzero((whole.tokens[:-1, 1:] != whole.tokens[:-1, :-1]).any(0))
        begin = 0
        while len(later := ends[np.searchsorted(ends, begin + PART) :]):
            yield NgramCounts(whole.tokens[:, begin : later[0]], whole.counts[begin : later[0]])
            begin = later[0]
        rest = [NgramCounts(whole.tokens[:, begin:], whole.counts[begin:])]
    if rest:
        yield _joined(rest)


def _joined(parts: list[NgramCounts]) -> NgramCounts:
    return NgramCounts(np.hstack([part.tokens for part in parts]), np.hstack([part.counts for part in parts]))


@numba.njit(cache=True, nogil=True)
def mark_starts(starts, ends, first, order) -> None:
    """Set `starts` (n,) where an n-gram starts at token first + i. `ends` (documents,) as in a token file."""
    document = np.searchsorted(ends, first, side="right")
    position = 0
    while position < len(starts) and document < len(ends):
        last = ends[document] - first  # just past the document, from here
        starts[position : max(position, min(last - order + 1, len(starts)))] = True
        position = max(position, last)
        document += 1


@numba.njit(cache=True, nogil=True)
def _count_first(ids, starts, begin, end, low, high):
    sizes = np.zeros(high - low, np.int64)
    for position in range(begin, end):
        token = ids[position]
        if starts[position] and low <= token < high:
            sizes[token - low] += 1
    return sizes


@numba.njit(cache=True, nogil=True)
def _fill(ids, starts, begin, end, order, low, cursor, keys):
    mask = np.uint64(ALL_BITS) >> np.uint64(KEY_BITS * (MAX_ORDER - order))
    high = low + len(cursor)
    key = np.uint64(0)  # of the order - 1 tokens up to and with `last`
    for last in range(begin, min(begin + order - 1, len(ids))):
        key = (key << np.uint64(KEY_BITS)) | np.uint64(ids[last])
    for position in range(begin, min(end, len(ids) - order + 1)):
        key = ((key << np.uint64(KEY_BITS)) | np.uint64(ids[position + order - 1])) & mask
        token = ids[position]
        if starts[position] and low <= token < high:
            keys[cursor[token - low]] = key
            cursor[token - low] += 1


@numba.njit(cache=True, nogil=True)
def _sort_buckets(keys, bounds, largest):
    """Sort the buckets of at most `largest` keys."""
    spare = np.empty(largest, np.uint64)
    for bucket in range(len(bounds) - 1):
        size = bounds[bucket + 1] - bounds[bucket]
        if size > largest:
            continue
        if size <= SMALL:
            _insertion_sort(keys[bounds[bucket] : bounds[bucket + 1]])
        else:
            _radix_sort(keys[bounds[bucket] : bounds[bucket + 1]], spare[:size])


@numba.njit(cache=True, nogil=True)
def _insertion_sort(keys):
    for position in range(1, len(keys)):
        key = keys[position]
        while position > 0 and keys[position - 1] > key:
            keys[position] = keys[position - 1]
            position -= 1
        keys[position] = key


@numba.njit(cache=True, nogil=True)
def _radix_sort(keys, spare):
    """Sort by one byte after the other, the last first; a byte that is the same in all keys is passed over."""
    bins = np.zeros((8, 256), np.int64)
    for key in keys:
        for digit in range(8):
            bins[digit, (key >> np.uint64(8 * digit)) & np.uint64(255)] += 1
    source, target = keys, spare
    for digit in range(8):
        shift = np.uint64(8 * digit)
        if bins[digit, (keys[0] >> shift) & np.uint64(255)] == len(keys):
            continue
        begin = 0
        for place in range(256):  # from sizes to where each bin begins
            size = bins[digit, place]
            bins[digit, place] = begin
            begin += size
        for key in source:
            place = (key >> shift) & np.uint64(255)
            target[bins[digit, place]] = key
            bins[digit, place] += 1
        source, target = target, source
    for position in range(len(keys)):
        keys[position] = source[position]


@numba.njit(cache=True, nogil=True)
def _find_runs(keys, bounds, counts, distinct):
    """Move the distinct keys to the front, count each, and note how many lie before each bucket.

    Every key is written, whether new or not: a branch that cannot be foretold would cost more.
    """
    run = bounds[0] - 1
    start = bounds[0]
    for bucket in range(len(bounds) - 1):
        previous = np.uint64(0)
        for position in range(bounds[bucket], bounds[bucket + 1]):
            key = keys[position]
            new = (key != previous) | (position == bounds[bucket])
            run += new
            start = position if new else start
            keys[run] = previous = key
            counts[run] = position + 1 - start
        distinct[bucket + 1] = run + 1 - bounds[0]


@numba.njit(cache=True, nogil=True)
def _context_end(keys, bounds, wanted, order):
    """The first row from `wanted` on at which a context may end."""
    if wanted == len(keys):
        return wanted
    bucket = np.searchsorted(bounds, wanted, side="right") - 1
    if bounds[bucket] == wanted:
        return wanted
    context = keys[wanted] >> np.uint64(KEY_BITS)
    while wanted < bounds[bucket + 1] and (order == 2 or keys[wanted] >> np.uint64(KEY_BITS) == context):
        wanted += 1
    return wanted


@numba.njit(cache=True, nogil=True)
def _unpack(keys, bounds, begin, low, tokens):
    bucket = np.searchsorted(bounds, begin, side="right") - 1
    for row in range(tokens.shape[1]):
        while begin + row >= bounds[bucket + 1]:
            bucket += 1
        key = keys[begin + row]
        tokens[0, row] = low + bucket
        for place in range(len(tokens) - 1, 0, -1):
            tokens[place, row] = key & np.uint64(FAST_TYPES - 1)
            key >>= np.uint64(KEY_BITS)
