import re
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lm_saturation.errors import InputError
from lm_saturation.ngrams.arpa import write_arpa
from lm_saturation.ngrams.kneser_ney import FALLBACK, discounts, estimate, probability, require_estimate_memory
from lm_saturation.text.standard_library import python_docs, python_source
from tests.ngrams.by_hand import BOS, EOS, PlainKneserNey, lmplz, queried, read_arpa


def model_of(documents, vocabulary_size, dtype=np.uint32):
    ids = np.array([token for document in documents for token in document], dtype)
    ends = np.cumsum([len(document) for document in documents], dtype=np.int64)
    return estimate(ids, ends, vocabulary_size)


def words_as_ids(texts, maximum):
    """Documents of words and signs, as ids in order of appearance, until there are enough."""
    ids, documents, total = {}, [], 0
    for text in texts:
        documents.append([ids.setdefault(word, len(ids)) for word in re.findall(r"\w+|\S", text)][: maximum - total])
        total += len(documents[-1])
        if total == maximum:
            break
    return documents


def random_documents(seed, vocabulary_size=8):
    rng = np.random.default_rng(seed)
    law = 1 / np.arange(1, vocabulary_size + 1) ** rng.uniform(0, 2)
    return [
        rng.choice(vocabulary_size, rng.integers(0, 40), p=law / law.sum()).tolist() for _ in range(rng.integers(1, 12))
    ]


ODD = {
    "one token": [[7]],
    "an empty document": [[]],
    "empty documents": [[], [], []],
    "some empty": [[], [1, 2], [], [3], []],
    "one to three tokens": [[1], [2, 3], [4, 5, 6], [1, 2], [3], [6, 5, 4]],
    "one word repeated": [[5] * 1000],
    "one word in many documents": [[5]] * 50,
    "identical documents": [[1, 2, 3, 4, 5, 6, 7, 8]] * 10,
    "every discount falls back": [list(range(30))],
    "only some discounts fall back": [[0, 1, 2, 3] * 20, [3, 1, 0] * 5, [2, 2, 1, 4, 5, 6]],
    "a cycle": [[1, 2, 3] * 400],
}


def assert_agrees_with_lmplz(documents, vocabulary_size, folder):
    theirs = lmplz(documents, folder)
    write_arpa(model_of(documents, vocabulary_size), folder / "ours.arpa")
    ours = read_arpa(folder / "ours.arpa")
    assert ours.keys() == theirs.keys()
    for part in (0, 1):
        both = [(ours[words][part], theirs[words][part]) for words in theirs]
        assert [a is None for a, _ in both] == [b is None for _, b in both]
        np.testing.assert_allclose(*zip(*((a, b) for a, b in both if b is not None), strict=True), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ODD)
def test_agrees_with_lmplz_on_odd_text(name, tmp_path):
    assert_agrees_with_lmplz(ODD[name], 40, tmp_path)


@pytest.mark.parametrize("seed", range(25))
def test_agrees_with_lmplz_on_random_text(seed, tmp_path):
    assert_agrees_with_lmplz(random_documents(seed), 8, tmp_path)


@pytest.mark.parametrize("source", [python_docs, python_source])
def test_agrees_with_lmplz_on_real_text(source, tmp_path):
    documents = words_as_ids(source(), 300_000)
    assert_agrees_with_lmplz(documents, 1 + max(map(max, filter(None, documents))), tmp_path)


def test_agrees_with_lmplz_on_more_types_than_the_fast_path_holds(tmp_path):
    rng = np.random.default_rng(0)
    documents = np.split(np.concatenate([rng.permutation(70_000), rng.zipf(1.3, 50_000) % 70_000]), [30_000, 100_000])
    assert_agrees_with_lmplz([document.tolist() for document in documents], 70_000, tmp_path)


def assert_equals_plain(documents, vocabulary_size, contexts):
    plain, model = PlainKneserNey(documents), model_of(documents, vocabulary_size)
    names = {token: token for token in range(vocabulary_size)} | {model.bos: BOS, model.eos: EOS}
    words = [token for token in names if token != model.bos]
    for context in contexts:
        expected = [plain.probability([names[token] for token in context], names[word]) for word in words]
        given_context = np.tile(np.array(context, np.int64), (len(words), 1))
        np.testing.assert_allclose(probability(model, given_context, words), expected, rtol=2e-6)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.integers(0, 3), max_size=25), min_size=1, max_size=6))
def test_equal_to_plain_dictionaries(documents):
    contexts = [(), *product(range(5), repeat=1), *product(range(4), repeat=2), *product(range(5), [0, 1], [2, 3], [0])]
    assert_equals_plain(documents, 5, [*contexts, (5,), (5, 0), (5, 1, 1), (5, 2, 0, 0)])


def test_equal_to_plain_dictionaries_on_real_text():
    documents = words_as_ids(python_docs(), 3_000)
    size = 1 + max(map(max, documents))
    rng = np.random.default_rng(0)
    spots = [(document, rng.integers(0, len(document))) for document in documents for _ in range(3)]
    assert_equals_plain(documents, size, [([size, *document])[: spot + 1][-4:] for document, spot in spots][:40])


def test_probabilities_sum_to_one():
    documents = words_as_ids(python_docs(), 50_000)
    model = model_of(documents, 20_000)
    rng = np.random.default_rng(0)
    text = [token for document in documents for token in document]
    seen = [text[start : start + 4] for start in rng.integers(0, len(text) - 4, 30)]
    unseen = rng.choice(model.types, (10, 4)).tolist()
    unknown = [[19_999, *context[1:]] for context in seen[:5]] + [[*context[:3], 19_999] for context in seen[:5]]
    begun = [[model.bos], [model.bos, *documents[0][:2]], []]
    words = np.append(model.types, [model.eos, model.eos + 1])  # the last is <unk>
    for context in [*seen, *unseen, *unknown, *begun]:
        assert probability(model, np.tile(np.array(context, np.int64), (len(words), 1)), words).sum() == pytest.approx(
            1
        )


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.sampled_from([1, 300, 9_000, 10_000_000]))
def test_larger_ids_change_nothing(seed, factor):
    documents = random_documents(seed)
    model = model_of(documents, 8)
    larger = model_of([[factor * token for token in document] for document in documents], 7 * factor + 1)
    assert larger.entries == model.entries
    assert (larger.types == factor * model.types.astype(np.int64)).all()
    for level, other in zip(model.levels, larger.levels, strict=True):
        np.testing.assert_array_equal(level.probability, other.probability)
        np.testing.assert_array_equal(level.backoff, other.backoff)


def test_kenlm_reads_what_is_written(tmp_path):
    documents = words_as_ids(python_docs(), 20_000)
    model = model_of(documents, 10_000)
    write_arpa(model, tmp_path / "model.arpa")
    document = [*documents[3][:200], 9_999, *documents[4][:50]]
    scores, unknown = zip(*queried(tmp_path / "model.arpa", document), strict=True)
    padded = [model.bos, *document, model.eos]
    ours = [
        probability(model, np.array([padded[max(0, place - 4) : place]]), padded[place : place + 1])[0]
        for place in range(1, len(padded))
    ]
    np.testing.assert_allclose(scores, np.log10(ours), atol=1e-5)
    assert unknown.index(True) == 200


def test_the_file_does_not_depend_on_chunks(tmp_path, monkeypatch):
    model = model_of(random_documents(3), 8)
    write_arpa(model, tmp_path / "whole.arpa")
    for chunk in (1, 7):
        monkeypatch.setattr("lm_saturation.ngrams.arpa.CHUNK", chunk)
        write_arpa(model, tmp_path / "chunks.arpa")
        assert (tmp_path / "chunks.arpa").read_bytes() == (tmp_path / "whole.arpa").read_bytes()


def test_the_file_in_full(tmp_path):
    write_arpa(model_of([[1_234_567]], 2_000_000), tmp_path / "model.arpa")
    lines = (tmp_path / "model.arpa").read_text().splitlines()
    assert lines[:7] == ["\\data\\", "ngram 1=4", "ngram 2=2", "ngram 3=1", "ngram 4=0", "ngram 5=0", ""]
    assert lines[7:12] == [
        "\\1-grams:",
        "-0.778151\t<unk>\t0",  # half of a third
        "-0.380211\t1234567\t-0.301030",  # half of one of two, and that
        "0\t<s>\t-0.301030",
        "-0.380211\t</s>\t0",
    ]
    assert lines[-1] == "\\end\\"


def test_types_and_entries():
    model = model_of([[3, 1, 1], [4]], 6)
    assert model.types.tolist() == [1, 3, 4]
    assert model.entries[0] == 6  # with <s>, </s> and <unk>


def test_discounts_by_hand():
    y = 100 / (100 + 2 * 40)
    expected = [0, 1 - 2 * y * 40 / 100, 2 - 3 * y * 20 / 40, 3 - 4 * y * 10 / 20]
    np.testing.assert_allclose(discounts(np.array([0, 100, 40, 20, 10])), expected, rtol=1e-6)


@pytest.mark.parametrize("t", [[0, 0, 1, 1, 1], [0, 1, 0, 1, 1], [0, 9, 5, 0, 1], [0, 9, 1, 9, 1], [0, 90, 40, 1, 9]])
def test_impossible_discounts_fall_back(t):
    assert discounts(np.array(t)).tolist() == list(FALLBACK)


def test_no_documents():
    with pytest.raises(ValueError, match="there is no document"):
        estimate(np.empty(0, np.uint16), np.empty(0, np.int64), 5)


def test_too_many_tokens_for_the_memory_allowed():
    require_estimate_memory(5_000, 501)
    require_estimate_memory(5_555, 501)
    for tokens, memory_mb, needed in ((1_000, 500, 501), (6_000, 501, 502)):
        message = f"memory_mb is {memory_mb}; estimating a 5-gram model from {tokens:,} tokens takes {needed}: allow"
        with pytest.raises(InputError, match=message):
            require_estimate_memory(tokens, memory_mb)
