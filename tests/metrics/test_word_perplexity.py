"""Perplexity for each word: the harness's windows, and one document at a time without padding."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lm_saturation.errors import InputError
from lm_saturation.inference.start_token import start_token
from lm_saturation.metrics.word_perplexity import Text, read_text, windows, word_perplexity
from lm_saturation.text.corpus import write_corpus
from lm_saturation.text.token_files import open_tokens, write_tokens
from tests.metrics.models import tiny_model


def harness_windows(tokens, prefix, width):
    """get_rolling_token_windows and make_disjoint_window of lm-evaluation-harness 0.4 with a context of one token."""
    first = min(width, len(tokens))
    pairs = [([prefix, *tokens[: first - 1]], tokens[:first])]
    predicted = first
    while predicted < len(tokens):
        length = min(len(tokens) - predicted, width)
        end = predicted + length
        pairs.append((tokens[end - width - 1 : end - 1], tokens[end - length : end]))
        predicted += length
    return pairs


@given(st.integers(1, 40), st.integers(1, 12))
def test_windows_are_the_harness_s(length, width):
    ids = np.arange(100, 100 + length)
    found = [(list(part.inputs), list(part.targets)) for part in windows(ids, 7, width)]
    assert found == [(list(inputs), list(targets)) for inputs, targets in harness_windows(list(ids), 7, width)]


def test_without_a_prefix_all_but_the_first_token_are_predicted_once():
    parts = list(windows(np.arange(23), None, 5))
    np.testing.assert_array_equal(np.concatenate([part.targets for part in parts]), np.arange(1, 23))
    assert all(part.inputs[-1] + 1 == part.targets[-1] for part in parts)
    assert list(windows(np.arange(1), None, 5)) == []


def by_hand(model, documents, prefix, width):
    total = 0.0
    for ids in documents:
        for inputs, targets in harness_windows(list(ids), prefix, width):
            with torch.no_grad():
                logits = model(torch.tensor([inputs])).logits[0, -len(targets) :].double()
            total -= float(logits.log_softmax(1)[range(len(targets)), targets].sum())
    return total


@pytest.mark.parametrize("family", ["gpt_neox", "gpt2", "opt", "gemma2"])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_batches_and_padding_change_nothing(family, batch_size):
    model = tiny_model(family)
    rng = np.random.default_rng(0)
    documents = [rng.integers(0, 97, length) for length in (1, 9, 10, 11, 35, 4)]
    expected = math.exp(by_hand(model, documents, 5, 10) / 200)
    assert word_perplexity(model, Text(documents, 200), 5, 10, batch_size) == pytest.approx(expected, rel=1e-5)


def test_beyond_float64_it_is_empty():
    model = tiny_model(scale=1e3)
    assert word_perplexity(model, Text([np.arange(90)], 1), 0, 10, 4) is None


def test_prefix_is_the_suites_first_token_or_the_models_own():
    assert start_token(tiny_model(), 9) == 9
    assert start_token(tiny_model(), None) == 0
    assert start_token(tiny_model(bos_token_id=None), None) == 1
    assert start_token(tiny_model(bos_token_id=None, eos_token_id=None), None) is None


@pytest.fixture
def corpus(tmp_path):
    texts = ["one two  three", " four", "five six\nseven "]
    write_corpus("c", [[text] for text in texts], tmp_path / "text.parquet")
    ids = [np.frombuffer(text.encode(), np.uint8) for text in texts]
    write_tokens(tmp_path / "0.json", ids, 256, {"corpus": "c", "tokenizer": "t"})
    return open_tokens(tmp_path / "0.json"), str(tmp_path / "text.parquet"), texts


@pytest.mark.parametrize(("tokens", "documents", "words"), [(1, 1, 3), (14, 1, 3), (15, 2, 5), (1000, 3, 9)])
def test_whole_documents_until_there_are_enough_tokens(corpus, tokens, documents, words):
    shard, table, texts = corpus
    found = read_text([shard], [table], tokens)
    assert [bytes(ids.astype(np.uint8)).decode() for ids in found.documents] == texts[:documents]
    assert found.words == words  # as the harness counts: " four" is two


def test_documents_of_another_text_are_refused(corpus, tmp_path):
    shard, _, texts = corpus
    write_corpus("c", [[text] for text in texts[:2]], tmp_path / "other.parquet")
    with pytest.raises(InputError, match=r"other\.parquet: fewer documents"):
        read_text([shard], [str(tmp_path / "other.parquet")], 1000)
