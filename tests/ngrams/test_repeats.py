"""How often a token follows itself."""

from itertools import pairwise

import numpy as np
import pytest

from lm_saturation.ngrams.repeats import document_repeats, repeat_columns
from lm_saturation.text.splits import Documents


def documents(*texts):
    return Documents(np.concatenate([np.array(text, np.uint16) for text in texts]), np.cumsum([*map(len, texts)]))


def test_pairs_do_not_cross_documents():
    """By hand: two repeats of three pairs, none of one, and a document of one token, which has no pair."""
    repeats, pairs = document_repeats(documents([5, 5, 5, 1], [1, 2], [2], [2, 2]))
    assert repeats.tolist() == [2, 0, 1]
    assert pairs.tolist() == [3, 1, 1]


def test_the_share_is_that_of_brute_force():
    generator = np.random.default_rng(0)
    texts = [generator.integers(4, size=length) for length in (1, 7, 30, 2, 100)]
    found = repeat_columns(documents(*texts[:3]), documents(*texts[3:]))
    equal = [first == second for text in texts for first, second in pairwise(text)]
    assert found["repeat_share"] == pytest.approx(np.mean(equal))


def test_the_error_is_that_over_documents():
    """Documents that only repeat, and others that never do: the error is that of their share."""
    texts = [[1] * 11] * 20 + [list(range(11))] * 20
    found = repeat_columns(documents(*texts))
    assert found["repeat_share"] == 0.5
    assert found["repeat_error"] == pytest.approx(0.5 / np.sqrt(39))


def test_without_pairs_nothing_is_known():
    assert repeat_columns(documents([1], [1])) == {"repeat_share": None, "repeat_error": None}
    assert repeat_columns(documents([1, 1]))["repeat_error"] is None
