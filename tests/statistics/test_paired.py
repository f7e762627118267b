"""Standard errors of paired differences, against closed forms and a bootstrap over documents."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lm_saturation.statistics.paired import paired_error, paired_errors


def test_equal_weights_and_single_sequences_give_the_textbook_error():
    values = np.random.default_rng(0).normal(size=(40, 3))
    found = paired_error(values, np.full(40, 7.0), np.arange(40))
    np.testing.assert_allclose(found, stats.sem(values))


def test_documents_of_unequal_length_agree_with_a_bootstrap_over_documents():
    random = np.random.default_rng(1)
    groups = np.repeat(np.arange(300), 4)
    weights = random.integers(1, 30, len(groups)).astype(float)
    values = (random.normal(0, 1, 300)[groups] + random.normal(0, 0.5, len(groups)))[:, None]
    found = paired_error(values, weights, groups)
    sums = np.bincount(groups, weights * values[:, 0]), np.bincount(groups, weights)
    drawn = random.integers(300, size=(4000, 300))
    means = sums[0][drawn].sum(1) / sums[1][drawn].sum(1)
    assert found[0] == pytest.approx(means.std(), rel=0.05)  # 4,000 samples know a spread to 1 %
    assert found[0] > 1.5 * paired_error(values, weights, np.arange(len(groups)))[0]  # sequences are not independent


def test_one_document_tells_no_error():
    assert np.isnan(paired_error(np.ones((3, 2)), np.ones(3), np.zeros(3, int))).all()


@pytest.mark.parametrize("with_documents", [False, True])
def test_pairs_are_of_the_same_piece_of_text(with_documents):
    random = np.random.default_rng(2)
    pieces = pd.DataFrame(
        {"sequence": [0, 0, 1, 2, 2, 3], "document": [0, 1, 1, 2, 3, 3], "tokens": [5, 3, 8, 1, 7, 8]}
    )
    pieces = pieces if with_documents else pieces.drop_duplicates("sequence").drop(columns="document")
    level, change = random.normal(4, 1, len(pieces)), random.normal(0, 0.1, len(pieces))
    first = pieces.assign(step=10, loss_nats=level)
    second = pieces.assign(step=20, loss_nats=level + change)
    found = paired_errors(pd.concat([first, second[::-1]]), 10)  # in any order
    groups = pieces.document.to_numpy() if with_documents else np.arange(len(pieces))
    expected = paired_error(change[:, None], pieces.tokens.to_numpy(float), groups)[0]
    assert found[20] == pytest.approx(expected)
    assert found[10] == 0
