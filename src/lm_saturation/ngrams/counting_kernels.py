"""The compiled loops of counting.py: n-grams to 64-bit keys in buckets, sorted, counted, and back to tokens."""

import numba
import numpy as np
from numpy.typing import NDArray

KEY_BITS = 16  # of a token within a key
FAST_TYPES = 1 << KEY_BITS  # distinct ids that a key can tell apart
MAX_ORDER = 5  # one token for the bucket, four for the key
ALL_BITS = (1 << 64) - 1
SMALL = 24  # keys in a bucket that is sorted by insertion


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
def count_first_tokens(ids, starts, begin, end, low, high) -> NDArray[np.int64]:
    """(high - low,) how many n-grams start with each token of [low, high), of those that start at begin to end."""
    sizes = np.zeros(high - low, np.int64)
    for position in range(begin, end):
        token = ids[position]
        if starts[position] and low <= token < high:
            sizes[token - low] += 1
    return sizes


@numba.njit(cache=True, nogil=True)
def fill_buckets(ids, starts, begin, end, order, low, cursor, keys) -> None:
    """Write the key of each n-gram that starts at begin to end where `cursor` says, and move the cursor on."""
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
def sort_buckets(keys, bounds, largest) -> None:
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
    """Sort by one byte after the other, the last first; a byte that is the same in all keys is skipped."""
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
def find_runs(keys, bounds, counts, distinct) -> None:
    """Move the distinct keys to the front, count each, and note how many lie before each bucket.

    Every key is written, whether new or not: a branch that the processor mispredicts would cost more.
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
def context_end(keys, bounds, row, order) -> int:
    """The first row from `row` on before which a context may end."""
    if row == len(keys):
        return row
    bucket = np.searchsorted(bounds, row, side="right") - 1
    if bounds[bucket] == row:
        return row
    context = keys[row] >> np.uint64(KEY_BITS)
    while row < bounds[bucket + 1] and (order == 2 or keys[row] >> np.uint64(KEY_BITS) == context):
        row += 1
    return row


@numba.njit(cache=True, nogil=True)
def unpack(keys, bounds, begin, low, tokens) -> None:
    """Fill `tokens` (order, n) with the n-grams of the keys from `begin` on; bucket t has first token low + t."""
    bucket = np.searchsorted(bounds, begin, side="right") - 1
    for row in range(tokens.shape[1]):
        while begin + row >= bounds[bucket + 1]:
            bucket += 1
        key = keys[begin + row]
        tokens[0, row] = low + bucket
        for place in range(len(tokens) - 1, 0, -1):
            tokens[place, row] = key & np.uint64(FAST_TYPES - 1)
            key >>= np.uint64(KEY_BITS)
