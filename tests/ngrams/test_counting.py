from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lm_saturation.errors import InputError
from lm_saturation.ngrams import counting
from lm_saturation.ngrams import stream as ngram_stream
from lm_saturation.ngrams.counting import (
    NgramCounts,
    count_in_passes,
    count_ngrams,
    cut_between_contexts,
    ngram_starts,
)
from lm_saturation.ngrams.merging import merge_sorted
from lm_saturation.ngrams.priority_sampling import sample_threshold, thin
from lm_saturation.ngrams.stream import NgramStream
from lm_saturation.text.token_files import open_tokens, write_tokens


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


def parts_of(chunks, order, **options):
    return list(count_in_passes(lambda: iter(chunks), order, **options))


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
@pytest.mark.parametrize("order", [2, 5])
def test_passes_threads_and_chunks_change_nothing(monkeypatch, order, dtype):
    monkeypatch.setattr(counting, "PART", 50)
    rng = np.random.default_rng(0)
    ids = np.minimum(rng.zipf(1.4, 5000), 60).astype(dtype) + (100_000 if dtype == np.uint32 else 0)
    starts = ngram_starts(len(ids), np.array([1000, 1003, 5000]), order)
    expected = as_dict(count_ngrams(ids, starts, order))
    chunks = [(ids[i : i + 700 + order - 1], starts[i : i + 700]) for i in range(0, 5000, 700)]
    for threads in (1, 3):
        parts = parts_of(chunks, order, memory_bytes=counting.NGRAM_BYTES * 2500, threads=threads)
        grams = [tuple(gram) for part in parts for gram in part.tokens.T.tolist()]
        assert grams == sorted(expected)
        assert {gram: count for part in parts for gram, count in as_dict(part).items()} == expected
        contexts = [{gram[:-1] for gram in as_dict(part)} for part in parts]
        assert sum(map(len, contexts)) == len(set().union(*contexts))  # none is cut in two
        assert len(parts) > 3


def test_more_types_than_the_fast_path_holds_in_passes(monkeypatch):
    monkeypatch.setattr(counting, "PART", 5000)
    rng = np.random.default_rng(1)
    ids = np.concatenate([rng.permutation(70_000), rng.integers(0, 70_000, 50_000)]).astype(np.uint32)
    starts = ngram_starts(len(ids), np.array([len(ids)]), 2)
    parts = parts_of([(ids, starts)], 2, memory_bytes=counting.WIDE_BYTES * 40_000)
    assert {gram: count for part in parts for gram, count in as_dict(part).items()} == as_dict(
        count_ngrams(ids, starts, 2)
    )
    assert len(parts) > 10


def test_a_token_that_starts_too_many_ngrams_is_named():
    ids = np.array([3] * 100 + [1, 2], np.uint16)
    starts = ngram_starts(len(ids), np.array([len(ids)]), 2)
    with pytest.raises(InputError, match="100 n-grams start with the token 3, and 83 fit in memory: allow"):
        parts_of([(ids, starts)], 2, memory_bytes=1000)


def _in_pieces(table, size):
    for i in range(0, len(table.counts), size):
        yield NgramCounts(table.tokens[:, i : i + size], table.counts[i : i + size])


@settings(deadline=None)
@given(st.lists(corpora, min_size=1, max_size=5), st.integers(2, 5), st.integers(1, 4))
def test_merged_shards_equal_the_corpus(shards, order, size):
    tables = [counted(documents, order) for documents in shards]
    streams = [_in_pieces(table, size) for table in tables]
    parts = list(cut_between_contexts(merge_sorted(streams)))
    grams = [tuple(gram) for part in parts for gram in part.tokens.T.tolist()]
    counts = [count for part in parts for count in part.counts.tolist()]
    expected = brute_force([document for documents in shards for document in documents], order)
    assert grams == sorted(expected)
    assert dict(zip(grams, counts, strict=True)) == dict(expected)


def test_parts_are_cut_between_contexts(monkeypatch):
    monkeypatch.setattr(counting, "PART", 4)
    tokens = np.array([[0, 0, 0, 0, 0, 0, 1, 1, 2, 3], [0, 1, 2, 3, 4, 5, 0, 1, 0, 0]])
    parts = cut_between_contexts(
        [NgramCounts(tokens[:, :7], np.ones(7, int)), NgramCounts(tokens[:, 7:], np.ones(3, int))]
    )
    assert [part.tokens[0].tolist() for part in parts] == [[0] * 6, [1, 1, 2, 3]]


def sample(total, size, seed):
    starts = np.ones(total, np.bool_)
    thin(starts, 0, sample_threshold(total, size, seed), seed)
    return starts


def test_samples_are_exact_seeded_nested_and_uniform():
    totals = np.zeros(100)
    for seed in range(500):
        starts = sample(100, 30, seed)
        assert np.count_nonzero(starts) == 30
        totals += starts
    deviation = (totals - 150) / np.sqrt(500 * 0.3 * 0.7)
    assert abs(deviation).max() < 4.5
    assert 0.7 < deviation.std() < 1.3
    assert (sample(100, 50, 1) == sample(100, 50, 1)).all()
    assert (sample(100, 50, 1) != sample(100, 50, 2)).any()
    assert sample(10_000, 500, 1)[sample(10_000, 20, 1)].all()


def test_a_sample_of_neighbours_is_independent():
    starts = sample(1_000_000, 300_000, 5)
    pairs = np.count_nonzero(starts[1:] & starts[:-1])
    assert abs(pairs - 90_000) < 4.5 * np.sqrt(1_000_000 * 0.09 * 0.91)


@pytest.mark.parametrize("sample_size", [10, 11, 1000])
def test_a_sample_of_everything_is_everything(sample_size):
    assert sample(10, sample_size, 0).all()


def test_a_sample_does_not_depend_on_where_it_is_cut():
    uncut = sample(1000, 100, 3)
    pieces = [np.ones(size, np.bool_) for size in (1, 499, 500)]
    first = 0
    for piece in pieces:
        first += thin(piece, first, sample_threshold(1000, 100, 3), 3)
    assert (np.concatenate(pieces) == uncut).all()
    gaps = np.tile([True, False, False], 1000)
    thin(gaps, 0, sample_threshold(1000, 100, 3), 3)
    assert (gaps[::3] == uncut).all()


@pytest.mark.parametrize("cross_documents", [False, True])
def test_a_stream_of_token_files_equals_the_arrays(tmp_path, monkeypatch, cross_documents):
    monkeypatch.setattr(ngram_stream, "CHUNK", 7)
    rng = np.random.default_rng(0)
    shards = [[rng.integers(0, 5, rng.integers(0, 30)) for _ in range(6)] for _ in range(2)]
    for number, documents in enumerate([*shards, []]):
        write_tokens(tmp_path / f"{number}.json", documents, 5, {"corpus": "c"})
    stream = NgramStream([open_tokens(tmp_path / f"{n}.json") for n in range(3)], 3, cross_documents)
    joined = [[np.concatenate(documents)] for documents in shards] if cross_documents else shards
    expected = brute_force([document.tolist() for documents in joined for document in documents], 3)
    counts = {gram: count for part in count_in_passes(stream, 3) for gram, count in as_dict(part).items()}
    assert counts == dict(expected)
    assert stream.total == expected.total()
    assert stream.longest_document == max(len(document) for documents in joined for document in documents)
    some = stream.sample(20, 4)
    assert sum(part.counts.sum() for part in count_in_passes(some, 3)) == 20
