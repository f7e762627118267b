from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.ngrams.counting import count_ngrams, ngram_starts, thin


def brute_force(documents, order):
    return Counter(tuple(document[i : i + order]) for document in documents for i in range(len(document) - order + 1))


def counted(documents, order, dtype=np.uint16):
    ids = np.array([token for document in documents for token in document], dtype)
    ends = np.cumsum([len(document) for document in documents], dtype=np.int64)
    return count_ngrams(ids, ngram_starts(len(ids), ends, order), order)


def as_dict(result):
    return dict(zip(map(tuple, result.tokens.T.tolist()), result.counts.tolist(), strict=True))


corpora = st.lists(st.lists(st.integers(0, 3), max_size=25), max_size=6)


@settings(deadline=None)
@given(corpora, st.integers(2, 5), st.sampled_from([np.uint8, np.uint16, np.uint32]))
def test_equal_to_a_plain_counter(documents, order, dtype):
    result = counted(documents, order, dtype)
    assert as_dict(result) == dict(brute_force(documents, order))
    rows = result.tokens.T.tolist()
    assert rows == sorted(rows)


@pytest.mark.parametrize(
    ("largest", "dtype"),
    [
        (254, np.uint8),
        (255, np.uint8),
        (256, np.uint16),
        (65534, np.uint16),
        (65535, np.uint16),
        (65536, np.uint32),
        (2**32 - 1, np.uint32),
    ],
)
def test_ids_at_the_limits_of_their_types(largest, dtype):
    rng = np.random.default_rng(0)
    documents = [rng.choice([0, 1, largest - 1, largest], 300).tolist() for _ in range(3)]
    assert as_dict(counted(documents, 5, dtype)) == dict(brute_force(documents, 5))


def test_more_types_than_the_fast_path_holds():
    rng = np.random.default_rng(0)
    ids = np.concatenate([rng.permutation(70_000), rng.integers(0, 70_000, 50_000), np.tile([5, 69_999, 3, 2, 1], 40)])
    documents = [ids[:60_000].tolist(), ids[60_000:].tolist()]
    assert as_dict(counted(documents, 5, np.uint32)) == dict(brute_force(documents, 5))


@settings(deadline=None, max_examples=30)
@given(corpora.filter(any), st.permutations(range(4)), st.integers(2, 4))
def test_renaming_tokens_and_repeating_the_corpus(documents, names, times):
    once = as_dict(counted(documents, 5))
    renamed = as_dict(counted([[names[token] for token in document] for document in documents], 5))
    assert renamed == {tuple(names[token] for token in gram): count for gram, count in once.items()}
    assert as_dict(counted(documents * times, 5)) == {gram: times * count for gram, count in once.items()}


def test_document_boundaries():
    documents = [[1, 2, 3], [4, 5, 6, 7, 8], [], [9]]
    assert as_dict(counted(documents, 5)) == {(4, 5, 6, 7, 8): 1}
    ids = np.arange(9, dtype=np.uint16)
    assert ngram_starts(9, np.array([9]), 5).tolist() == [True] * 5 + [False] * 4
    assert len(count_ngrams(ids, ngram_starts(9, np.array([9]), 5), 5).counts) == 5


@pytest.mark.parametrize("documents", [[], [[]], [[1]], [[1, 2, 3, 4]], [[1, 2], [3, 4, 5]]])
def test_too_little_text_has_no_ngrams(documents):
    assert len(counted(documents, 5).counts) == 0


@pytest.mark.parametrize("order", [1, 6])
def test_other_orders_are_refused(order):
    with pytest.raises(ValueError, match=f"order is {order}; allowed is 2 to 5"):
        counted([[1, 2, 3]], order)


def test_samples_are_exact_seeded_and_uniform():
    totals = np.zeros(100)
    for seed in range(2000):
        starts = np.ones(120, np.bool_)
        starts[100:] = False
        thin(starts, 30, seed)
        assert np.count_nonzero(starts) == 30
        assert not starts[100:].any()
        totals += starts[:100]
    deviation = (totals - 600) / np.sqrt(2000 * 0.3 * 0.7)
    assert abs(deviation).max() < 4.5
    assert 0.7 < deviation.std() < 1.3

    again, other = np.ones(100, np.bool_), np.ones(100, np.bool_)
    starts = np.ones(100, np.bool_)
    thin(starts, 50, 1)
    thin(again, 50, 1)
    thin(other, 50, 2)
    assert (starts == again).all()
    assert (starts != other).any()


@pytest.mark.parametrize("sample_size", [10, 11, 1000])
def test_a_sample_of_everything_is_everything(sample_size):
    starts = np.ones(10, np.bool_)
    thin(starts, sample_size, 0)
    assert starts.all()
