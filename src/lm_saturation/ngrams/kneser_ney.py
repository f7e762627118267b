"""Modified Kneser–Ney models with interpolation, from exact counts.

Chen & Goodman 1998 (An Empirical Study of Smoothing Techniques for Language Modeling, section 4.3), and Heafield et al.
2013 (Scalable Modified Kneser-Ney Language Model Estimation) for what it leaves open: <s>, </s>, <unk>, and the orders
below the highest. The model agrees with that of KenLM's `lmplz --discount_fallback`.

The n-grams of each order are a level of a trie, in lexicographic order, so that an n-gram's children (the n-grams that
prolong it by one token) lie side by side in the next level. All levels come from one sorted list of counts: no lookup
needs a hash, and a search only ever runs over the few children of one n-gram.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm_saturation.ngrams.counting import MAX_ORDER, NgramCounts, count_ngrams
from lm_saturation.ngrams.kneser_ney_kernels import (
    count_left_neighbours,
    fill_padded,
    find_longest,
    find_probabilities,
    find_suffixes,
    interpolate,
    make_level,
    rank_types,
)
from lm_saturation.ngrams.memory import require_memory

FALLBACK = (0.0, 0.5, 1.0, 1.5)  # discounts of counts 0, 1, 2, 3 and more where they cannot be estimated
BYTES_PER_TOKEN = 180  # of memory that an estimate takes if no n-gram occurs twice; real text takes a third


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
    backoff: NDArray[np.float64]  # (n,) weight of the level below; 1 if nothing followed


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
        """The ids in the model, in order, without <s> and </s>."""
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


def require_estimate_memory(tokens: int, memory_mb: int) -> None:
    """Raise InputError if estimating a model from so many tokens takes more memory than is allowed."""
    work = f"estimating a 5-gram model from {tokens:,} tokens"
    require_memory(tokens * BYTES_PER_TOKEN / 1e6, memory_mb, work, "take less text (max_tokens of the corpus)")


def probability(model: KneserNey, contexts: NDArray[Any], words: NDArray[Any]) -> NDArray[np.float64]:
    """(n,) probability of each of `words` (n,) after its context: contexts (n, 0 to 4), the nearest token last.

    An id that is not in the model has the probability of <unk>.
    """
    orders, nodes = longest_contexts(model, contexts)
    tables = _tables(model, "word", "first", "suffix", "probability", "backoff")
    probabilities = np.empty(len(words))
    find_probabilities(tables, orders, nodes, np.asarray(words, np.int64), model.unknown, probabilities)
    return probabilities


def longest_contexts(model: KneserNey, contexts: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The longest known end of each context (n, 0 to 4): its order, and its place in the level of that order."""
    orders, nodes = np.empty(len(contexts), np.int64), np.empty(len(contexts), np.int64)
    find_longest(_tables(model, "word", "first"), np.ascontiguousarray(contexts, np.int64), orders, nodes)
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
    estimates = [np.float32(k) - np.float32(k + 1) * y * t[k + 1] / t[k] for k in (1, 2, 3)]
    possible = all(0 <= value <= k for k, value in enumerate(estimates, 1))
    return np.array([0.0, *estimates]) if possible else np.array(FALLBACK)


def _pad(ids: NDArray[Any], ends: NDArray[np.int64], bos: int, eos: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Each document between one <s> and five </s>, and where an n-gram starts: up to the first </s>.

    The further </s> are there so that the shorter n-grams at a document's end are the beginnings of longer ones.
    """
    dtype = np.uint16 if eos < 1 << 16 else np.uint32
    padded = np.empty(len(ids) + (1 + MAX_ORDER) * len(ends), dtype)
    starts = np.ones(len(padded), np.bool_)
    fill_padded(ids, ends, bos, eos, padded, starts)
    return padded, starts


def _last_ngrams(padded: NDArray[Any], bos: int, eos: int) -> list[tuple[int, int]]:
    """For orders 0 to 5, adjusted and raw count of the last n-gram in the order that lmplz goes through them.

    It sorts by the last token, then by the one before and so on, tokens in order of first appearance, after <s> and
    </s>; and it takes the raw count of this n-gram for the adjusted one when it finds the discounts. On small text
    that matters. At order 5, and from where the n-gram begins with <s>, the two are one.
    """
    rank = np.zeros(eos + 1, np.int64)
    rank_types(padded, bos, eos, rank)
    position = np.flatnonzero(padded == rank.argmax())
    position = position[padded[position - 1] != eos]  # of several </s>, the first
    last = [(0, 0)] * (MAX_ORDER + 1)
    for order in range(1, MAX_ORDER):
        before = padded[position - order]
        last[order] = len(np.unique(before)), len(position)
        latest = before[rank[before].argmax()]
        if latest == bos:
            break
        position = position[before == latest]
    return last


def _trie(counts: NgramCounts, eos: int) -> tuple[list[NDArray[Any]], list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """For orders 0 to 5: the last tokens of the n-grams, where their children begin, and how often they occur."""
    words = [np.zeros(1, counts.tokens.dtype)]
    firsts: list[NDArray[np.int64]] = []
    totals = [np.array([counts.counts.sum()])]
    for order in range(1, MAX_ORDER + 1):
        first = np.zeros(len(words[-1]) + 1, np.int64)
        word, total = make_level(counts.tokens, counts.counts, order, eos, first)
        firsts.append(first)
        words.append(word)
        totals.append(total)
    return words, [*firsts, np.empty(0, np.int64)], totals


def _suffixes(words: list[NDArray[Any]], firsts: list[NDArray[np.int64]]) -> list[NDArray[np.uint32]]:
    """For orders 0 to 5: the place of each n-gram without its first token, in the level below."""
    suffixes = [np.zeros(len(words[order]), np.uint32) for order in (0, 1)]
    for order in range(2, MAX_ORDER + 1):
        suffix = np.empty(len(words[order]), np.uint32)
        find_suffixes(words[order], firsts[order - 1], suffixes[-1], words[order - 1], firsts[order - 2], suffix)
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

    N-grams that begin with <s> have nothing before them and keep their count; <s> itself is never predicted: 0.
    """
    begin, end = np.searchsorted(words[1], [bos, bos + 1])
    for order in range(1, MAX_ORDER):
        kept = counts[order][begin:end] * (order > 1)
        count_left_neighbours(suffixes[order + 1], counts[order])
        counts[order][begin:end] = kept
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
    """Interpolate, order by order. The adjusted `counts` are freed on the way."""
    probabilities = [np.array([1 / len(words[1])])]  # the same for each type, </s> and <unk>
    backoffs = []
    for order in range(1, MAX_ORDER + 1):
        discount = discounts(_counts_of_counts(counts[order], last[order]))
        above, backoff = interpolate(firsts[order - 1], counts[order], discount, suffixes[order], probabilities[-1])
        probabilities.append(above)
        backoffs.append(backoff)
        counts[order] = counts[order][:0]
    probabilities[1][np.searchsorted(words[1], bos)] = 1.0
    backoffs.append(np.empty(0))
    return [Level(*parts) for parts in zip(words, suffixes, probabilities, firsts, backoffs, strict=True)]
