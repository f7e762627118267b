from collections import Counter

import numpy as np
import pytest

from lm_saturation.text.synthetic_language import SyntheticLanguage


@pytest.mark.parametrize(("vocabulary_size", "rank"), [(2, 1), (12, 4), (50, 20), (200, 17), (30, 28)])
def test_the_truth_is_consistent(vocabulary_size, rank):
    language = SyntheticLanguage(vocabulary_size, rank, zipf_exponent=1.1, seed=3)
    rows = language.conditional
    assert (rows > 0).all()
    np.testing.assert_allclose(rows.sum(1), 1, rtol=1e-12)
    assert np.linalg.matrix_rank(rows) == rank
    np.testing.assert_allclose(language.state_probability @ rows, language.unigram, rtol=1e-10)
    assert set(language.state_of_classes.ravel()) == set(range(rank))
    ratios = language.unigram[0] / language.unigram
    np.testing.assert_allclose(ratios, np.arange(1, vocabulary_size + 1) ** 1.1)


def test_the_full_matrix_over_all_contexts_has_that_rank():
    language = SyntheticLanguage(6, 3, seed=1)
    contexts = np.stack(np.meshgrid(*[np.arange(6)] * 4, indexing="ij"), -1).reshape(-1, 4)
    assert np.linalg.matrix_rank(language.conditional[language.states(contexts)]) == 3


def test_samples_follow_the_truth():
    language = SyntheticLanguage(10, 4, seed=2)
    tokens = language.sample(400_000, document=0)
    np.testing.assert_allclose(np.bincount(tokens, minlength=10) / len(tokens), language.unigram, atol=0.004)
    windows = np.lib.stride_tricks.sliding_window_view(tokens, 5)
    states = language.states(windows[:, :4])
    counts = np.zeros((4, 10))
    np.add.at(counts, (states, windows[:, 4]), 1)
    np.testing.assert_allclose(counts / counts.sum(1, keepdims=True), language.conditional, atol=0.01)
    np.testing.assert_allclose(counts.sum(1) / counts.sum(), language.state_probability, atol=0.004)
    surprise = -np.log(language.conditional[states, windows[:, 4]])
    assert abs(surprise.mean() - language.entropy_nats) < 5 * surprise.std() / np.sqrt(len(surprise))


def test_documents_and_seeds():
    documents = list(SyntheticLanguage(10, 2).documents(tokens=2500, document_length=1000))
    assert [len(text.split()) for text in documents] == [1000, 1000, 500]
    assert documents == list(SyntheticLanguage(10, 2).documents(2500, 1000))
    assert documents[0] != next(SyntheticLanguage(10, 2, seed=1).documents(2500, 1000))
    assert documents[0].split()[:500] != documents[1].split()[:500]
    assert Counter(documents[0].split()).most_common(1)[0][0] == "w0"


def test_unreachable_rank_is_refused():
    with pytest.raises(ValueError, match="rank is 10; with 10 tokens it can be 1 to 9"):
        SyntheticLanguage(10, 10)
