"""Modified Kneser–Ney models with interpolation, from exact counts.

Chen & Goodman 1998 (An Empirical Study of Smoothing Techniques for Language Modeling, section 4.3), and Heafield et al.
2013 (Scalable Modified Kneser-Ney Language Model Estimation) for what it leaves open: <s>, </s>, <unk>, and the orders
below the highest. The model agrees with that of KenLM's `lmplz --discount_fallback`.

The n-grams of each order are a level of a trie, in lexicographic order, so that an n-gram's children (the n-grams that
prolong it by one token) lie side by side in the next level. All levels come from one sorted list of counts: no lookup
needs a hash, and a search only ever runs over the few children of one n-gram.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from scripts.common.jobs import InputError
from scripts.common.token_files import read_record
from scripts.ngrams.counting import MAX_ORDER, NgramCounts, count_ngrams

FALLBACK = (0.0, 0.5, 1.0, 1.5)  # discounts of counts 0, 1, 2, 3 and more where the text is too odd to estimate them
BASE_MB = 500  # of memory that Python and its libraries take
BYTES_PER_TOKEN = 180  # of memory that an estimate takes beside that if no n-gram occurs twice; real text takes a third


@dataclass(frozen=True)
class Level:
    """The n-grams of one order, n of them, in lexicographic order; order 0 holds the empty n-gram.

    The children of n-gram i are `first[i]:first[i + 1]` of the next level. At the highest order `first` and `backoff`
    are empty.
    """

    word: NDArray[Any]  # (n,) id of the last token
    suffix: NDArray[np.uint32]  # (n,) the n-gram without its first token, in the level below
    probability: NDArray[np.float64]  # (n,) of the last token after the others
    first: NDArray[np.int64]  # (n + 1,)
    backoff: NDArray[np.float64]  # (n,) weight of the level below for what never followed; 1 if nothing followed


@dataclass(frozen=True)
class KneserNey:
    """A model of tokens 0 to `bos` - 1: the levels of orders 0 to 5; <s> has the id `bos`, </s> the id `eos`."""

    levels: list[Level]
    bos: int
    eos: int

    @property
    def entries(self) -> list[int]:
        """N-grams of each order from 1 on, <unk> included."""
        unigrams, *others = (len(level.word) for level in self.levels[1:])
        return [unigrams + 1, *others]

    @property
    def unknown(self) -> float:
        """The unigram probability of <unk>."""
        return float(self.levels[0].backoff[0] * self.levels[0].probability[0])

    @property
    def types(self) -> NDArray[Any]:
        """The ids that the model knows, in order, without <s> and </s>."""
        return self.levels[1].word[: np.searchsorted(self.levels[1].word, self.bos)]


def estimate(ids: NDArray[Any], ends: NDArray[np.int64], vocabulary_size: int) -> KneserNey:
    """The model of documents: ids (T,) below `vocabulary_size`, ends (documents,) the position past each document.

    Raises ValueError if there is no document.
    """
    if not len(ends):
        raise ValueError("there is no document to estimate a model from")
    bos, eos = vocabulary_size, vocabulary_size + 1
    padded, starts = _pad(ids, ends, bos, eos)
    last = _last_ngrams(padded, bos, eos)
    counts = count_ngrams(padded, starts, MAX_ORDER)
    del padded, starts
    words, firsts, totals = _trie(counts, eos)
    del counts
    suffixes = _suffixes(words, firsts)
    _adjust_counts(totals, words, firsts, suffixes, bos)
    return KneserNey(_levels(words, firsts, suffixes, totals, last, bos), bos, eos)


def check_memory(records: Iterable[str | Path], memory_mb: int) -> None:
    """Raise InputError if these token files hold more tokens than a model can be estimated from in that memory."""
    tokens = sum(read_record(record)["tokens"] for record in records)
    if tokens > (most := max(0, memory_mb - BASE_MB) * 1_000_000 // BYTES_PER_TOKEN):
        raise InputError(
            f"ngrams.memory_mb is {memory_mb}, enough to estimate a model from {most:,} tokens; "
            f"the corpus has {tokens:,}"
        )


def probability(model: KneserNey, contexts: NDArray[Any], words: NDArray[Any]) -> NDArray[np.float64]:
    """(n,) probability of each of `words` (n,) after its context: contexts (n, 0 to 4), the nearest token last.

    An id that the model does not know has the probability of <unk>.
    """
    levels, nodes = longest_contexts(model, contexts)
    tables = _tables(model, "word", "first", "suffix", "probability", "backoff")
    found = np.empty(len(words))
    _probabilities(tables, levels, nodes, np.asarray(words, np.int64), model.unknown, found)
    return found


def longest_contexts(model: KneserNey, contexts: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The longest known end of each context (n, 0 to 4): its order, and its place in the level of that order."""
    orders, nodes = np.empty(len(contexts), np.int64), np.empty(len(contexts), np.int64)
    _longest(_tables(model, "word", "first"), np.ascontiguousarray(contexts, np.int64), orders, nodes)
    return orders, nodes


def _tables(model: KneserNey, *names: str) -> tuple[tuple[NDArray[Any], ...], ...]:
    """These arrays of all levels, for compiled code."""
    return tuple(tuple(getattr(level, name) for level in model.levels) for name in names)


def discounts(counts_of_counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(4,) discount of counts 0, 1, 2, 3 and more, from t_0 to t_4: D_k = k - (k + 1) t_1/(t_1 + 2 t_2) t_{k+1}/t_k.

    Chen & Goodman 1998, eq. 26. Where that is impossible or not between 0 and k, FALLBACK. In single precision as
    lmplz, so that a value at the limit falls on the same side.
    """
    t = counts_of_counts.astype(np.float32)
    if not t[1:4].all():
        return np.array(FALLBACK)
    y = t[1] / np.float32(counts_of_counts[1] + 2.0 * counts_of_counts[2])
    found = [np.float32(k) - np.float32(k + 1) * y * t[k + 1] / t[k] for k in (1, 2, 3)]
    possible = all(0 <= value <= k for k, value in enumerate(found, 1))
    return np.array([0.0, *found]) if possible else np.array(FALLBACK)


def _pad(ids: NDArray[Any], ends: NDArray[np.int64], bos: int, eos: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Each document between one <s> and five </s>, and where an n-gram starts: up to the first </s>.

    The further </s> are there so that the shorter n-grams at a document's end are the beginnings of longer ones.
    """
    dtype = np.uint16 if eos < 1 << 16 else np.uint32
    padded = np.empty(len(ids) + (1 + MAX_ORDER) * len(ends), dtype)
    starts = np.ones(len(padded), np.bool_)
    _fill_padded(ids, ends, bos, eos, padded, starts)
    return padded, starts


def _last_ngrams(padded: NDArray[Any], bos: int, eos: int) -> list[tuple[int, int]]:
    """For orders 0 to 5, adjusted and raw count of the last n-gram in the order that lmplz goes through them.

    It sorts by the last token, then by the one before and so on, tokens in order of first appearance, after <s> and
    </s>; and it takes the raw count of this n-gram for the adjusted one when it finds the discounts. On small text
    that matters. At order 5, and from where the n-gram begins with <s>, the two are one.
    """
    rank = np.zeros(eos + 1, np.int64)
    _rank_types(padded, bos, eos, rank)
    position = np.flatnonzero(padded == rank.argmax())
    position = position[padded[position - 1] != eos]  # of several </s>, the first
    found = [(0, 0)] * (MAX_ORDER + 1)
    for order in range(1, MAX_ORDER):
        before = padded[position - order]
        found[order] = len(np.unique(before)), len(position)
        latest = before[rank[before].argmax()]
        if latest == bos:
            break
        position = position[before == latest]
    return found


def _trie(counts: NgramCounts, eos: int) -> tuple[list[NDArray[Any]], list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """For orders 0 to 5: the last tokens of the n-grams, where their children begin, and how often they occur."""
    words = [np.zeros(1, counts.tokens.dtype)]
    firsts: list[NDArray[np.int64]] = []
    totals = [np.array([counts.counts.sum()])]
    for order in range(1, MAX_ORDER + 1):
        first = np.zeros(len(words[-1]) + 1, np.int64)
        word, total = _level(counts.tokens, counts.counts, order, eos, first)
        firsts.append(first)
        words.append(word)
        totals.append(total)
    return words, [*firsts, np.empty(0, np.int64)], totals


def _suffixes(words: list[NDArray[Any]], firsts: list[NDArray[np.int64]]) -> list[NDArray[np.uint32]]:
    """For orders 0 to 5: the place of each n-gram without its first token, in the level below."""
    suffixes = [np.zeros(len(words[order]), np.uint32) for order in (0, 1)]
    for order in range(2, MAX_ORDER + 1):
        suffix = np.empty(len(words[order]), np.uint32)
        _find_suffixes(words[order], firsts[order - 1], suffixes[-1], words[order - 1], firsts[order - 2], suffix)
        suffixes.append(suffix)
    return suffixes


def _adjust_counts(
    counts: list[NDArray[np.int64]],
    words: list[NDArray[Any]],
    firsts: list[NDArray[np.int64]],
    suffixes: list[NDArray[np.uint32]],
    bos: int,
) -> None:
    """Below the highest order, put for each count the number of distinct tokens that precede the n-gram, in place.

    N-grams that begin with <s> have nothing before them and keep their count; <s> itself is never foretold: 0.
    """
    begin, end = np.searchsorted(words[1], [bos, bos + 1])
    for order in range(1, MAX_ORDER):
        begun = counts[order][begin:end] * (order > 1)
        _count_left_neighbours(suffixes[order + 1], counts[order])
        counts[order][begin:end] = begun
        begin, end = firsts[order][[begin, end]]


def _counts_of_counts(counts: NDArray[np.int64], last: tuple[int, int]) -> NDArray[np.int64]:
    """(5,) t_k, how many n-grams have the adjusted count k, 0 to 4; for `last` see `_last_ngrams`."""
    t = np.bincount(np.minimum(counts, 5), minlength=6)
    adjusted, raw = np.minimum(last, 5)
    t[adjusted] -= 1
    t[raw] += 1
    return t[:5]


def _levels(
    words: list[NDArray[Any]],
    firsts: list[NDArray[np.int64]],
    suffixes: list[NDArray[np.uint32]],
    counts: list[NDArray[np.int64]],
    last: list[tuple[int, int]],
    bos: int,
) -> list[Level]:
    """Interpolate, order by order. `counts`, adjusted, is used up."""
    probabilities = [np.array([1 / len(words[1])])]  # each type, </s> and <unk> alike
    backoffs = []
    for order in range(1, MAX_ORDER + 1):
        discount = discounts(_counts_of_counts(counts[order], last[order]))
        above, backoff = _interpolate(firsts[order - 1], counts[order], discount, suffixes[order], probabilities[-1])
        probabilities.append(above)
        backoffs.append(backoff)
        counts[order] = counts[order][:0]
    probabilities[1][np.searchsorted(words[1], bos)] = 1.0
    backoffs.append(np.empty(0))
    return [Level(*parts) for parts in zip(words, suffixes, probabilities, firsts, backoffs, strict=True)]


@numba.njit(cache=True)
def _fill_padded(ids, ends, bos, eos, padded, starts):
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
def _rank_types(padded, bos, eos, rank):
    """(ids,) 1 for <s>, 2 for </s>, then in order of first appearance."""
    rank[bos], rank[eos] = 1, 2
    seen = 2
    for token in padded:
        if not rank[token]:
            seen += 1
            rank[token] = seen


@numba.njit(cache=True)
def _level(tokens, counts, order, eos, first):
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
def _find_suffixes(word, first, parent_suffix, word_below, first_below, suffix):
    """The suffix of an n-gram is the child, by the same token, of its parent's suffix; it always exists."""
    for parent in range(len(first) - 1):
        low, high = first_below[parent_suffix[parent]], first_below[parent_suffix[parent] + 1]
        for child in range(first[parent], first[parent + 1]):
            low = suffix[child] = _search(word_below, low, high, word[child])


@numba.njit(cache=True)
def _search(word, low, high, wanted):
    """The first place in low:high whose word is not below the one wanted, or `high`."""
    while low < high:
        middle = (low + high) >> 1
        if word[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@numba.njit(cache=True)
def _count_left_neighbours(suffix_above, count):
    count[:] = 0
    for entry in suffix_above:
        count[entry] += 1


@numba.njit(cache=True)
def _interpolate(first, count, discount, suffix, below):
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
def _longest(tables, contexts, orders, nodes):
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
def _probabilities(tables, orders, nodes, wanted, unknown, found):
    words, firsts, suffixes, probabilities, backoffs = tables
    for row in range(len(wanted)):
        node, weight = nodes[row], 1.0
        found[row] = -1.0
        for order in range(orders[row], -1, -1):
            end = firsts[order][node + 1]
            child = _search(words[order + 1], firsts[order][node], end, wanted[row])
            if child < end and words[order + 1][child] == wanted[row]:
                found[row] = weight * probabilities[order + 1][child]
                break
            if order:
                weight *= backoffs[order][node]
                node = suffixes[order][node]
        if found[row] < 0:
            found[row] = weight * unknown
