"""Uniform samples of n-grams that depend on nothing but the seed: not on chunks, threads or passes.

The i-th n-gram of a corpus has the priority `mix(seed, i)`, a number of 64 bits; a sample of size C is the C n-grams of
lowest priority (bottom-k sampling). For one seed `mix` is a bijection, so no two priorities are equal and the sample
has exactly C. Samples of the same seed are nested: that of 1e4 lies within that of 1e5.
"""

import numba
import numpy as np
from numpy.typing import NDArray

EVERYTHING = (1 << 64) - 1
BIN_BITS = 20  # priorities are put into bins by so many of their leading bits


def sample_threshold(total: int, sample_size: int, seed: int) -> int:
    """The priority up to which n-grams 0 to total - 1 belong to the sample: exactly `sample_size` of them do.

    Two passes over the priorities, in constant memory.
    """
    if sample_size >= total:
        return EVERYTHING
    key = np.uint64(_seed_key(seed))
    bins = np.cumsum(_histogram(key, total))
    last = int(np.searchsorted(bins, sample_size))  # the bin with the last n-gram of the sample
    before = int(bins[last - 1]) if last else 0
    inside = _within_bin(key, total, last, np.empty(int(bins[last]) - before, np.uint64))
    return int(np.partition(inside, sample_size - before - 1)[sample_size - before - 1])


def thin(starts: NDArray[np.bool_], first: int, threshold: int, seed: int) -> int:
    """Keep only the starts of the sample, in place; the first of them is n-gram number `first` of the corpus.

    Returns how many starts there were.
    """
    return int(_thin(starts, first, np.uint64(threshold), np.uint64(_seed_key(seed))))


def _seed_key(seed: int) -> int:
    return int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])  # far apart for neighbouring seeds


@numba.njit(cache=True, nogil=True)
def _priority(key, number):
    """SplitMix64 (Steele, Lea, Flood 2014): a bijection of 64-bit numbers whose values look random."""
    value = key + np.uint64(number) * np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@numba.njit(cache=True, nogil=True)
def _histogram(key, total):
    bins = np.zeros(1 << BIN_BITS, np.int64)
    for number in range(total):
        bins[_priority(key, number) >> np.uint64(64 - BIN_BITS)] += 1
    return bins


@numba.njit(cache=True, nogil=True)
def _within_bin(key, total, bin_number, priorities):
    size = 0
    for number in range(total):
        priority = _priority(key, number)
        if priority >> np.uint64(64 - BIN_BITS) == bin_number:
            priorities[size] = priority
            size += 1
    return priorities


@numba.njit(cache=True, nogil=True)
def _thin(starts, first, threshold, key):
    number = first
    for position in range(len(starts)):
        if starts[position]:
            starts[position] = _priority(key, number) <= threshold
            number += 1
    return number - first
