"""Tokens on the moment curve: which laws they express, and what that says of all contexts."""

from itertools import combinations

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.special import log_softmax

from lm_saturation.softmax_rank.construction import constructed_gaps, face_state, moment_curve
from lm_saturation.softmax_rank.laws import NextTokenLaws


def divergence(head, law, scale):
    logs = log_softmax(head @ face_state(head, law, scale))
    seen = law > 0
    return (law[seen] * (np.log(law[seen]) - logs[seen])).sum()


def test_every_pair_and_triple_is_a_face():
    """2k dimensions express every law of at most k of 9 tokens, with growing norms."""
    rng = np.random.default_rng(0)
    for k in (1, 2, 3):
        head = moment_curve(9, k)
        assert head.shape == (9, 2 * k)
        for size in range(1, k + 1):
            for tokens in combinations(range(9), size):
                law = np.zeros(9)
                law[list(tokens)] = rng.dirichlet(np.ones(size))
                assert divergence(head, law, 200.0) < 1e-9


def test_the_norms_are_the_price():
    law = np.eye(30)[4]
    found = [divergence(moment_curve(30, 1), law, scale) for scale in (1.0, 10.0, 100.0)]
    assert found[0] > found[1] > found[2]
    assert found[2] < 1e-9


def by_definition(laws, k):
    """Contexts with more than k successors share one law, others cost nothing."""
    joint = laws.joint.toarray()
    rest = joint[(joint > 0).sum(axis=1) > k]
    if not len(rest):
        return 0.0
    pooled = rest.sum(axis=0) / rest.sum()
    rows = rest / rest.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.nansum(rest * (np.log(rows) - np.log(pooled))))


def test_gaps_are_those_of_the_definition():
    laws = NextTokenLaws.of_counts(csr_array(np.random.default_rng(0).poisson(0.6, (40, 9))))
    found = constructed_gaps(laws)
    assert found.dimension.tolist() == [1, *(2 * k + 1 for k in np.unique(laws.support))]
    for dimension, gap in zip(found.dimension, found.gap_nats, strict=True):
        assert gap == pytest.approx(by_definition(laws, (dimension - 1) // 2), abs=1e-12)
    assert found.gap_nats[0] == pytest.approx(laws.unigram_gap_nats)
    assert found.gap_nats[-1] == 0
    assert found.dimension_at(0.05) == found.dimension[found.gap_nats <= 0.05][0]


def test_a_whole_head_has_the_gap_that_is_said():
    """All contexts at once: faces for those of one or two successors, the pooled law for the others."""
    laws = NextTokenLaws.of_counts(csr_array(np.random.default_rng(1).poisson(0.5, (30, 8))))
    joint, k = laws.joint.toarray(), 2
    few = laws.support <= k
    pooled = joint[~few].sum(axis=0)
    logs = np.log(np.where(pooled > 0, pooled, 1e-300) / pooled.sum())
    head = np.hstack([moment_curve(laws.shape[1], k), logs[:, None]])
    states = np.zeros((len(joint), 2 * k + 1))
    states[~few, -1] = 1
    for row in np.flatnonzero(few):
        states[row, :-1] = face_state(head[:, :-1], joint[row] / joint[row].sum(), 1e4)
    loss = -(joint * log_softmax(states @ head.T, axis=1)).sum()
    found = constructed_gaps(laws)
    assert loss - laws.entropy_nats == pytest.approx(found.gap_nats[list(found.dimension).index(5)], abs=1e-6)
