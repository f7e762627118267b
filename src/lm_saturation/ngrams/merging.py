"""Merging sorted n-gram counts that do not fit in memory together."""

from collections.abc import Iterable, Iterator
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from lm_saturation.ngrams.counting import NgramCounts


def merge_sorted(streams: Iterable[Iterator[NgramCounts]]) -> Iterator[NgramCounts]:
    """Merge sorted streams of counts into one, adding the counts of n-grams that are in several.

    One part of each stream is in memory at a time. Each step gives all n-grams up to the first end of a part.
    """
    waiting = [(head, stream) for stream in streams if (head := _next_part(stream))]
    while waiting:
        frontier = min(tuple(head.tokens[:, -1].tolist()) for head, _ in waiting)
        ready, rest = [], []
        for head, stream in waiting:
            end = _rows_up_to(head.tokens, frontier)
            ready.append(NgramCounts(head.tokens[:, :end], head.counts[:end]))
            left = NgramCounts(head.tokens[:, end:], head.counts[end:])
            if following := left if len(left.counts) else _next_part(stream):
                rest.append((following, stream))
        waiting = rest
        yield _merged(ready)


def _next_part(stream: Iterator[NgramCounts]) -> NgramCounts | None:
    return next((part for part in stream if len(part.counts)), None)


def _rows_up_to(tokens: NDArray[Any], ngram: tuple[int, ...]) -> int:
    """How many of the sorted n-grams, (order, n), are at most `ngram`."""
    low, high = 0, tokens.shape[1]
    for column, token in zip(tokens, ngram, strict=True):
        within = column[low:high]
        low, high = low + int(np.searchsorted(within, token)), low + int(np.searchsorted(within, token, side="right"))
    return high


def _merged(parts: list[NgramCounts]) -> NgramCounts:
    """Merge two by two, so that each n-gram is moved log2(parts) times."""
    while len(parts) > 1:
        pairs = zip(parts[::2], parts[1::2], strict=False)
        parts = [_merge_two(left, right) for left, right in pairs] + parts[len(parts) // 2 * 2 :]
    return parts[0]


def _merge_two(left: NgramCounts, right: NgramCounts) -> NgramCounts:
    room = len(left.counts) + len(right.counts)
    tokens, counts = np.empty((len(left.tokens), room), left.tokens.dtype), np.empty(room, np.int64)
    rows = _interleave(left.tokens, left.counts, right.tokens, right.counts, tokens, counts)
    return NgramCounts(tokens[:, :rows], counts[:rows])


@numba.njit(cache=True, nogil=True)
def _interleave(left, left_counts, right, right_counts, tokens, counts):
    i, j, row = 0, 0, 0
    while i < left.shape[1] or j < right.shape[1]:
        order = 0  # which comes first: -1 left, 1 right, 0 both are the same
        if i == left.shape[1]:
            order = 1
        elif j == right.shape[1]:
            order = -1
        else:
            for place in range(len(tokens)):
                if left[place, i] != right[place, j]:
                    order = -1 if left[place, i] < right[place, j] else 1
                    break
        counts[row] = 0
        if order >= 0:
            for place in range(len(tokens)):
                tokens[place, row] = right[place, j]
            counts[row] += right_counts[j]
            j += 1
        if order <= 0:
            for place in range(len(tokens)):
                tokens[place, row] = left[place, i]
            counts[row] += left_counts[i]
            i += 1
        row += 1
    return row
