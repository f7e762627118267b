"""Exact n-gram counts by partition and sort.

Every n-gram is put into the bucket of its first token; the other n - 1 tokens, 16 bits each, make one 64-bit key.
Sorting each bucket's keys and counting runs gives the counts in lexicographic order. Beside the result that takes one
byte a token and eight bytes an n-gram. Vocabularies above 2^16 go through the same path when at most 2^16
distinct ids occur, else through a slower one.
"""

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

KEY_BITS = 16  # of a token within a key
FAST_TYPES = 1 << KEY_BITS  # distinct ids that the fast path can tell apart
MAX_ORDER = 5  # one token for the bucket, four for the key
ALL_BITS = (1 << 64) - 1
SMALL = 24  # keys in a bucket that is sorted by insertion


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
    _mark(starts, np.asarray(ends, np.int64), order)
    return starts


def thin(starts: NDArray[np.bool_], sample_size: int, seed: int) -> None:
    """Keep a uniform sample of `sample_size` of the starts, in place, without replacement.

    One pass, constant memory (selection sampling; Knuth, TAOCP vol. 2, 3.4.2, algorithm S).
    """
    total = int(np.count_nonzero(starts))
    if sample_size < total:
        _thin(starts, total, sample_size, np.random.default_rng(seed))


def count_ngrams(ids: NDArray[Any], starts: NDArray[np.bool_], order: int) -> NgramCounts:
    """Count the n-grams of `order` tokens that start where `starts` is true. ids (T,), starts (T,).

    Raises ValueError if the order is not between 2 and 5.
    """
    if not 2 <= order <= MAX_ORDER:
        raise ValueError(f"order is {order}; allowed is 2 to {MAX_ORDER}")
    if ids.dtype.itemsize <= 2:
        return _count_fast(ids, starts, order)
    types = np.unique(ids)
    if len(types) > FAST_TYPES:
        return _count_wide(ids, starts, order)
    ranked = np.searchsorted(types, ids).astype(np.uint16)  # keeps the order of ids
    counted = _count_fast(ranked, starts, order)
    return NgramCounts(types[counted.tokens], counted.counts)


def _count_fast(ids: NDArray[Any], starts: NDArray[np.bool_], order: int) -> NgramCounts:
    buckets = np.zeros(FAST_TYPES + 1, np.int64)
    _count_first_tokens(ids, starts, buckets)
    bounds = np.cumsum(buckets)  # bounds[t] is where the bucket of first token t begins
    keys = np.empty(bounds[-1], np.uint64)
    _fill_buckets(ids, starts, order, bounds[:-1].copy(), keys)
    _sort_small(keys, bounds)
    for token in np.flatnonzero(np.diff(bounds) > SMALL):
        keys[bounds[token] : bounds[token + 1]].sort()  # numpy sorts 64-bit keys with vector instructions
    counts = np.empty(len(keys), np.int64)  # takes memory only as far as it is written
    runs = np.empty(FAST_TYPES, np.int64)
    distinct = _find_runs(keys, bounds, counts, runs)
    tokens = np.empty((order, distinct), ids.dtype)
    tokens[0] = np.repeat(np.arange(FAST_TYPES).astype(ids.dtype), runs)
    _unpack(keys[:distinct], tokens[1:])
    return NgramCounts(tokens, counts[:distinct])


def _count_wide(ids: NDArray[Any], starts: NDArray[np.bool_], order: int) -> NgramCounts:
    """The same for more than 2^16 types: sorts columns instead of keys."""
    first = np.flatnonzero(starts)
    columns = [ids[first + offset] for offset in range(order)]
    ordered = np.stack(columns)[:, np.lexsort(columns[::-1])]
    new = np.ones(len(first), np.bool_)
    new[1:] = (ordered[:, 1:] != ordered[:, :-1]).any(0)
    begins = np.flatnonzero(new)
    return NgramCounts(ordered[:, begins], np.diff(np.append(begins, len(first))))


@numba.njit(cache=True)
def _mark(starts, ends, order):
    begin = 0
    for end in ends:
        starts[begin : max(begin, end - order + 1)] = True
        begin = end


@numba.njit(cache=True)
def _thin(starts, left, needed, rng):
    for position in range(len(starts)):
        if starts[position]:
            if rng.random() * left < needed:
                needed -= 1
            else:
                starts[position] = False
            left -= 1


@numba.njit(cache=True)
def _count_first_tokens(ids, starts, buckets):
    for position in range(len(ids)):
        if starts[position]:
            buckets[ids[position] + 1] += 1


@numba.njit(cache=True)
def _fill_buckets(ids, starts, order, cursor, keys):
    mask = np.uint64(ALL_BITS) >> np.uint64(KEY_BITS * (MAX_ORDER - order))
    key = np.uint64(0)  # of the order - 1 tokens up to and with `last`
    for last in range(len(ids)):
        key = ((key << np.uint64(KEY_BITS)) | np.uint64(ids[last])) & mask
        position = last - order + 1
        if position >= 0 and starts[position]:
            token = ids[position]
            keys[cursor[token]] = key
            cursor[token] += 1


@numba.njit(cache=True)
def _sort_small(keys, bounds):
    """Sort the buckets that are too small for a call of numpy to pay, by insertion."""
    for token in range(len(bounds) - 1):
        begin, end = bounds[token], bounds[token + 1]
        if end - begin > SMALL:
            continue
        for position in range(begin + 1, end):
            key = keys[position]
            while position > begin and keys[position - 1] > key:
                keys[position] = keys[position - 1]
                position -= 1
            keys[position] = key


@numba.njit(cache=True)
def _find_runs(keys, bounds, counts, runs):
    """Move the distinct keys to the front, count each, and note how many each bucket has.

    Every key is written, whether new or not: a branch that cannot be foretold would cost more.
    """
    run = -1
    start = 0
    for token in range(len(bounds) - 1):
        before = run
        previous = np.uint64(0)
        for position in range(bounds[token], bounds[token + 1]):
            key = keys[position]
            new = (key != previous) | (position == bounds[token])
            run += new
            start = position if new else start
            keys[run] = previous = key
            counts[run] = position + 1 - start
        runs[token] = run - before
    return run + 1


@numba.njit(cache=True)
def _unpack(keys, tokens):
    for row in range(len(tokens)):
        shift = np.uint64(KEY_BITS * (len(tokens) - 1 - row))
        column = tokens[row]
        for position in range(len(keys)):
            column[position] = (keys[position] >> shift) & np.uint64(FAST_TYPES - 1)
