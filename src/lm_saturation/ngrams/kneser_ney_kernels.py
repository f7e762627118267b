"""The compiled loops of kneser_ney.py. `word`, `first`, `suffix` and the others are the arrays of its levels."""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from lm_saturation.ngrams.counting_kernels import MAX_ORDER


@numba.njit(cache=True)
def fill_padded(ids, ends, bos, eos, padded, starts) -> None:
    """Write each document between one <s> and five </s>; no n-gram starts after the first of these."""
    begin = write = 0
    for end in ends:
        padded[write] = bos
        write += 1
        for position in range(begin, end):
            padded[write] = ids[position]
            write += 1
        padded[write : write + MAX_ORDER] = eos
        starts[write + 1 : write + MAX_ORDER] = False
        write += MAX_ORDER
        begin = end


@numba.njit(cache=True)
def rank_types(padded, bos, eos, rank) -> None:
    """Fill `rank` (ids,): 1 for <s>, 2 for </s>, then in order of first appearance."""
    rank[bos], rank[eos] = 1, 2
    seen = 2
    for token in padded:
        if not rank[token]:
            seen += 1
            rank[token] = seen


@numba.njit(cache=True)
def make_level(tokens, counts, order, eos, first) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The distinct beginnings of `order` tokens that hold no </s> but the last: last tokens and counts.

    Fills `first`: where the children of each shorter beginning begin.
    """
    rows = tokens.shape[1]
    word = np.empty(rows, tokens.dtype)
    total = np.empty(rows, np.int64)
    entries = parents = 0
    for row in range(rows):
        shared = 0  # tokens in common with the row before
        if row:
            while shared < order and tokens[shared, row] == tokens[shared, row - 1]:
                shared += 1
        if order > 1 and (row == 0 or shared < order - 1) and (order < 3 or tokens[order - 3, row] != eos):
            first[parents] = entries
            parents += 1
        if order > 1 and tokens[order - 2, row] == eos:
            continue
        if row == 0 or shared < order:
            word[entries] = tokens[order - 1, row]
            total[entries] = 0
            entries += 1
        total[entries - 1] += counts[row]
    first[len(first) - 1] = entries
    return word[:entries].copy(), total[:entries].copy()


@numba.njit(cache=True)
def find_suffixes(word, first, parent_suffix, word_below, first_below, suffix) -> None:
    """The suffix of an n-gram is the child, by the same token, of its parent's suffix; it always exists."""
    for parent in range(len(first) - 1):
        low, high = first_below[parent_suffix[parent]], first_below[parent_suffix[parent] + 1]
        for child in range(first[parent], first[parent + 1]):
            low = suffix[child] = _search(word_below, low, high, word[child])


@numba.njit(cache=True)
def _search(words, low, high, word):
    """The first place in low:high of the sorted words that is not below `word`, or `high`."""
    while low < high:
        middle = (low + high) >> 1
        if words[middle] < word:
            low = middle + 1
        else:
            high = middle
    return low


@numba.njit(cache=True)
def count_left_neighbours(suffix_above, count) -> None:
    """Set `count` (n,) to how many n-grams of the order above have each of the n-grams for suffix."""
    count[:] = 0
    for entry in suffix_above:
        count[entry] += 1


@numba.njit(cache=True)
def interpolate(first, count, discount, suffix, below) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """P(w | c) = (a(cw) - D) / Σ_w a(cw) + b(c) P(w | c without its first token), and b(c) = Σ_w D / Σ_w a(cw)."""
    probability, backoff = np.empty(len(count)), np.ones(len(first) - 1)
    for parent in range(len(backoff)):
        children = range(first[parent], first[parent + 1])
        total, removed = 0, 0.0
        for child in children:
            total += count[child]
            removed += discount[min(count[child], 3)]
        if total:
            backoff[parent] = removed / total
        for child in children:
            kept = count[child] - discount[min(count[child], 3)]
            probability[child] = kept / total + backoff[parent] * below[suffix[child]]
    return probability, backoff


@numba.njit(cache=True)
def find_longest(tables, contexts, orders, nodes) -> None:
    """Fill order and place of the longest known end of each context."""
    words, firsts = tables
    for row in range(len(contexts)):
        for skipped in range(contexts.shape[1] + 1):
            node = _walk(words, firsts, contexts[row, skipped:])
            if node >= 0:
                break
        orders[row], nodes[row] = contexts.shape[1] - skipped, node


@numba.njit(cache=True)
def _walk(words, firsts, ngram):
    """The place of an n-gram in its level, or -1."""
    node = 0
    for order in range(len(ngram)):
        end = firsts[order][node + 1]
        node = _search(words[order + 1], firsts[order][node], end, ngram[order])
        if node == end or words[order + 1][node] != ngram[order]:
            return -1
    return node


@numba.njit(cache=True)
def find_probabilities(tables, orders, nodes, next_words, unknown, result) -> None:
    """Fill `result` (n,): the probability of each next word after the context at `nodes`, backing off if need be."""
    words, firsts, suffixes, probabilities, backoffs = tables
    for row in range(len(next_words)):
        node, weight = nodes[row], 1.0
        result[row] = -1.0
        for order in range(orders[row], -1, -1):
            end = firsts[order][node + 1]
            child = _search(words[order + 1], firsts[order][node], end, next_words[row])
            if child < end and words[order + 1][child] == next_words[row]:
                result[row] = weight * probabilities[order + 1][child]
                break
            if order:
                weight *= backoffs[order][node]
                node = suffixes[order][node]
        if result[row] < 0:
            result[row] = weight * unknown
