from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lm_saturation.config.metrics import HeldOut
from lm_saturation.io.tables import read_table, write_tables
from lm_saturation.ngrams.kneser_ney import estimate, probability
from lm_saturation.ngrams.smoothed_gram import smoothed_gram, smoothed_spectrum
from lm_saturation.text.splits import split_documents
from lm_saturation.text.token_files import open_tokens, write_tokens
from tests.ngrams.by_hand import EOS, PlainKneserNey


def model_of(documents, vocabulary_size):
    ids = np.array([token for document in documents for token in document], np.uint16)
    return estimate(ids, np.cumsum([len(document) for document in documents], dtype=np.int64), vocabulary_size)


def rows_by_hand(documents, vocabulary_size, contexts):
    """P, row by row from dictionaries: <unk> shared equally by the ids unseen, without </s>, scaled to sum to 1."""
    plain = PlainKneserNey(documents)
    unseen = vocabulary_size - len(plain.types - {EOS})
    rows = np.array(
        [
            [
                plain.probability(context, word) / (1 if word in plain.types else unseen)
                for word in range(vocabulary_size)
            ]
            for context in contexts
        ]
    )
    return rows / rows.sum(1, keepdims=True)


def smoothed_singular_values(model, contexts):
    return smoothed_spectrum(model, contexts).singular_values


def singular_values(dense, number):
    return np.append(np.linalg.svd(dense, compute_uv=False), np.zeros(number))[:number]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(st.integers(0, 3), max_size=25), min_size=1, max_size=6).filter(any),
    st.integers(4, 7),
    st.lists(st.tuples(*[st.integers(0, 3)] * 4), min_size=1, max_size=60),
)
def test_equal_to_the_dense_matrix(documents, vocabulary_size, contexts):
    values = smoothed_singular_values(model_of(documents, vocabulary_size), np.array(contexts))
    expected = singular_values(rows_by_hand(documents, vocabulary_size, contexts), len(values))
    np.testing.assert_allclose(values, expected, atol=2e-6)
    assert (values**2).sum() == pytest.approx((expected**2).sum())


@pytest.mark.parametrize("context_length", range(5))
def test_contexts_of_any_length(context_length):
    rng = np.random.default_rng(0)
    documents = [rng.integers(0, 6, 50).tolist() for _ in range(5)]
    contexts = np.array(list(product(range(7), repeat=context_length)), np.int64).reshape(
        7**context_length, context_length
    )
    values = smoothed_singular_values(model_of(documents, 8), contexts)
    expected = singular_values(rows_by_hand(documents, 8, contexts.tolist()), 7)  # six known ids, one for the others
    np.testing.assert_allclose(values, expected, atol=2e-6)


def larger_example():
    rng = np.random.default_rng(1)
    law = 1 / np.arange(1, 301)
    documents = [rng.choice(300, 400, p=law / law.sum()) for _ in range(20)]
    contexts = np.unique(
        np.concatenate([np.lib.stride_tricks.sliding_window_view(d[:-1], 4) for d in documents]), axis=0
    )
    return model_of(documents, 320), contexts


def test_equal_to_rows_of_the_model_when_large():
    model, contexts = larger_example()
    columns = [probability(model, contexts, np.full(len(contexts), word)) for word in [*model.types, model.eos + 1]]
    rows = np.stack(columns, axis=1)
    rows /= rows.sum(1, keepdims=True)
    rows[:, -1] /= np.sqrt(320 - len(model.types))
    gram = smoothed_gram(model, contexts)
    np.testing.assert_allclose(np.tril(gram), np.tril(rows.T @ rows), rtol=1e-9, atol=1e-11)
    spectrum, values = smoothed_spectrum(model, contexts), np.linalg.svd(rows, compute_uv=False)
    np.testing.assert_allclose(spectrum.singular_values, values, rtol=1e-7)
    shares = np.maximum(1 - np.cumsum(values**2) / (values**2).sum(), 0)
    np.testing.assert_allclose(spectrum.w_error[:-1], np.sqrt(shares)[:-1], rtol=1e-7, atol=1e-9)
    norms = np.sort((rows**2).sum(0))[::-1]
    shares = np.maximum(1 - np.cumsum(norms) / norms.sum(), 0)
    np.testing.assert_allclose(spectrum.column_norm_w_error[:-1], np.sqrt(shares)[:-1], rtol=1e-7, atol=1e-9)
    assert (spectrum.column_norm_w_error >= spectrum.w_error).all()


def test_repeating_and_shuffling_contexts():
    model, contexts = larger_example()
    values = smoothed_singular_values(model, contexts)
    shuffled = np.random.default_rng(0).permutation(np.tile(contexts, (3, 1)))
    np.testing.assert_allclose(smoothed_singular_values(model, shuffled), np.sqrt(3) * values, rtol=1e-7)


def test_wrong_sums_are_noticed(monkeypatch):
    model, contexts = larger_example()
    monkeypatch.setattr("lm_saturation.ngrams.smoothed_gram.smoothed_gram", lambda *_: np.eye(301))
    with pytest.raises(ArithmeticError, match="rows that sum to 1 give"):
        smoothed_singular_values(model, contexts)
    monkeypatch.undo()
    monkeypatch.setattr("lm_saturation.ngrams.smoothed_gram.scipy.linalg.eigvalsh", lambda *_, **__: np.ones(301))
    with pytest.raises(ArithmeticError, match="eigenvalues of G sum to"):
        smoothed_singular_values(model, contexts)


@pytest.fixture
def table(run_script, tmp_path):
    """The table of the rule, for two samples of contexts of some documents, the second of them in two parts."""
    rng = np.random.default_rng(0)
    documents = [rng.integers(0, 9, 60).astype(np.uint16) for _ in range(10)]
    for shard in (0, 1):
        write_tokens(tmp_path / f"{shard}.json", documents[shard::2], 10, {"corpus": "c", "tokenizer": "t"})
    grams = np.unique([d[i : i + 5] for d in documents for i in range(50)], axis=0)
    keys = {"corpus": "c", "tokenizer": "t", "order": 5, "sample_size": "all"}
    held_out = HeldOut(share=0.1, minimum_documents=1)

    def part(seed, rows):
        names = [f"context_{i}" for i in range(1, 5)] + ["next_token"]
        return keys | {"seed": seed, "count": np.ones(len(rows), int)} | dict(zip(names, rows.T, strict=True))

    cut = 1 + np.flatnonzero((grams[1:, :4] != grams[:-1, :4]).any(1))[100]
    parts = [part(0, grams[::2]), part(1, grams[:cut]), part(1, grams[cut:]), part(2, grams)]
    write_tables("ngram_counts", tmp_path / "counts.parquet", parts)
    run_script(
        "ngrams/ngram_smoothed_spectrum.py",
        input={"counts": [tmp_path / "counts.parquet"], "tokens": [tmp_path / "0.json", tmp_path / "1.json"]},
        output=[tmp_path / "spectrum.parquet"],
        params={"held_out": held_out, "seeds": [0, 1]},
        wildcards={"corpus": "c", "tokenizer": "t", "order": "5", "sample_size": "all"},
    )
    train = split_documents([open_tokens(tmp_path / f"{shard}.json") for shard in (0, 1)], held_out).train
    documents = [document.tolist() for document in np.split(train.ids, train.ends[:-1])]
    return read_table("ngram_spectrum", tmp_path / "spectrum.parquet").to_pandas(), documents, grams


def test_rule(table):
    frame, documents, grams = table
    assert set(frame.seed) == {0, 1}
    assert set(frame.weighting) == {"smoothed"}
    for seed, sample in frame.groupby("seed"):
        contexts = np.unique((grams[::2], grams)[seed][:, :4], axis=0).tolist()
        expected = np.linalg.svd(rows_by_hand(documents, 10, contexts), compute_uv=False)
        assert sample.dimension.tolist() == list(range(1, 11))  # nine ids seen, and one not
        np.testing.assert_allclose(sample.singular_value, expected, atol=2e-6)
        counts = np.sort(np.bincount((grams[::2], grams)[seed][:, 4]))[::-1]
        shares = 1 - np.cumsum(counts) / counts.sum()
        np.testing.assert_allclose(sample.unigram_w_error, np.sqrt(np.append(np.maximum(shares, 0), 0)), atol=1e-7)


def test_rows_that_do_not_fit_in_memory_are_refused_in_one_line(monkeypatch, request):
    monkeypatch.setattr("lm_saturation.ngrams.smoothed_rows.ELEMENT_MB", 100)
    with pytest.raises(SystemExit, match=r"4000; smoothing rows of 9 token types takes 8600: allow more"):
        request.getfixturevalue("table")
