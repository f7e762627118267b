"""Exact n-gram counts by partition and sort.

Every n-gram is put into the bucket of its first token; the other n - 1 tokens, 16 bits each, make one 64-bit key.
Sorting each bucket's keys and counting runs gives the counts in lexicographic order. One byte a token and eight
bytes an n-gram are all the memory it takes. Vocabularies above 2^16 go through the same path when at most 2^16
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
    for token in np.flatnonzero(np.diff(bounds) > 1):
        keys[bounds[token] : bounds[token + 1]].sort()  # numpy sorts 64-bit keys with vector instructions
    distinct = _count_runs(keys, bounds)
    tokens, counts = np.empty((order, distinct), ids.dtype), np.empty(distinct, np.int64)
    _write_runs(keys, bounds, tokens, counts)
    return NgramCounts(tokens, counts)


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
    for position in range(len(ids)):
        if starts[position]:
            key = np.uint64(0)
            for offset in range(1, order):
                key = (key << np.uint64(KEY_BITS)) | np.uint64(ids[position + offset])
            token = ids[position]
            keys[cursor[token]] = key
            cursor[token] += 1


@numba.njit(cache=True)
def _count_runs(keys, bounds):
    distinct = 0
    for token in range(len(bounds) - 1):
        for position in range(bounds[token], bounds[token + 1]):
            distinct += position == bounds[token] or keys[position] != keys[position - 1]
    return distinct


@numba.njit(cache=True)
def _write_runs(keys, bounds, tokens, counts):
    order = len(tokens)
    run = -1
    for token in range(len(bounds) - 1):
        for position in range(bounds[token], bounds[token + 1]):
            key = keys[position]
            if position > bounds[token] and key == keys[position - 1]:
                counts[run] += 1
                continue
            run += 1
            counts[run] = 1
            tokens[0, run] = token
            for offset in range(1, order):
                tokens[offset, run] = (key >> np.uint64(KEY_BITS * (order - 1 - offset))) & np.uint64(FAST_TYPES - 1)
