"""The least loss of d dimensions, against answers that are known."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import log_softmax

from lm_saturation.config.causes import SearchOptions
from lm_saturation.softmax_rank.laws import NextTokenLaws
from lm_saturation.softmax_rank.logit_language import logit_language, logit_rank
from lm_saturation.softmax_rank.objective import Problem, loss_and_gradients
from lm_saturation.softmax_rank.optimum import optima, optimum

LONG = SearchOptions(iterations=400, trial_iterations=50, tolerance=1e-10)


def random_laws(contexts=7, types=6, seed=0):
    return NextTokenLaws.of_counts(csr_array(np.random.default_rng(seed).poisson(1.5, (contexts, types))))


def dense_loss(laws, states, head):
    """The definition, with no chunks and no sparse matrix."""
    return -(laws.joint.toarray() * log_softmax(states @ head.T, axis=1)).sum()


def test_loss_and_gradients_are_those_of_the_definition():
    laws, rng = random_laws(), np.random.default_rng(1)
    states, head = rng.standard_normal((laws.shape[0], 3)), rng.standard_normal((laws.shape[1], 3))
    loss, by_states, by_head = loss_and_gradients(laws, states, head)
    assert loss == pytest.approx(dense_loss(laws, states, head), rel=1e-13)
    for matrix, gradient in ((states, by_states), (head, by_head)):
        for place in np.ndindex(matrix.shape):
            kept, ends = matrix[place], []
            for step in (1e-6, -1e-6):
                matrix[place] = kept + step
                ends.append(dense_loss(laws, states, head))
            matrix[place] = kept
            assert gradient[place] == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-8)


def test_chunks_change_nothing(monkeypatch):
    laws, rng = random_laws(30), np.random.default_rng(1)
    states, head = rng.standard_normal((laws.shape[0], 3)), rng.standard_normal((laws.shape[1], 3))
    whole = loss_and_gradients(laws, states, head)
    monkeypatch.setattr("lm_saturation.softmax_rank.objective.CHUNK", 20)
    for one, other in zip(whole, loss_and_gradients(laws, states, head), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("bound", [None, 3.0])
def test_the_gradient_of_the_problem(bound):
    problem = Problem(random_laws(), 2, bound)
    point = np.random.default_rng(2).standard_normal(2 * sum(problem.laws.shape))
    _, gradient = problem(point)
    for place in range(0, len(point), 5):
        step = np.eye(len(point))[place] * 1e-6
        assert gradient[place] == pytest.approx((problem(point + step)[0] - problem(point - step)[0]) / 2e-6, abs=1e-8)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_as_low_as_scipy_from_many_starts(dimension):
    """On a small case: BFGS with numerical gradients of the dense definition, from 8 points."""
    laws = random_laws(5, 4)
    contexts = laws.shape[0]

    def loss(vector):
        matrix = vector.reshape(-1, dimension)
        return dense_loss(laws, matrix[:contexts], matrix[contexts:])

    rng = np.random.default_rng(3)
    points = rng.standard_normal((8, sum(laws.shape) * dimension))
    theirs = min(minimize(loss, point, options={"maxiter": 150}).fun for point in points)
    ours = optimum(laws, dimension, LONG)
    assert ours.loss_nats <= theirs + 1e-4


def test_what_is_found_has_the_loss_that_it_says():
    laws = random_laws(20, 12)
    found = optimum(laws, 2, SearchOptions())
    assert found.loss_nats == pytest.approx(dense_loss(laws, found.states, found.head), rel=1e-12)
    assert found.gap_nats == pytest.approx(found.loss_nats - laws.entropy_nats)


@pytest.mark.parametrize("rank", [2, 4])
def test_the_gap_vanishes_at_the_rank_and_not_before(rank):
    laws = logit_language(40, 30, rank, seed=0)
    assert logit_rank(laws) == rank
    gaps = {
        found.dimension: found.gap_nats for found in optima(laws, range(1, rank + 2), SearchOptions(iterations=400))
    }
    assert max(gaps) == rank  # more are not tried
    assert gaps[rank] < 1e-3
    assert all(gaps[d] > 0.01 for d in gaps if d < rank)
    assert list(gaps.values()) == sorted(gaps.values(), reverse=True)


def test_one_hot_rows_need_two_dimensions():
    laws = NextTokenLaws.of_counts(csr_array(np.eye(12)))
    one, two = (optimum(laws, d, LONG) for d in (1, 2))
    assert one.gap_nats > 1  # on a line only two tokens are exposed
    assert two.gap_nats < 1e-6
    # the price is the norms: the more tokens, the larger
    bounded = [optimum(laws, 2, LONG, bound) for bound in (3.0, 10.0)]
    assert bounded[0].gap_nats > bounded[1].gap_nats > 1e-3


def circle_gap(types, product):
    """One-hot rows, tokens and states on a circle with this product of norms."""
    cosines = product * np.cos(2 * np.pi * np.arange(types) / types)
    return float(np.log(np.exp(cosines - product).sum()))


def test_bounded_norms_against_the_circle():
    """By hand: with one-hot rows and norms of product r, tokens on a circle cost log Σ exp(r(cos 2πj/n − 1))."""
    laws = NextTokenLaws.of_counts(csr_array(np.eye(8)))
    found = optimum(laws, 2, LONG, norm_product=6.0)
    assert found.norm_product <= 6.0 * (1 + 1e-9)
    assert found.gap_nats == pytest.approx(circle_gap(8, 6.0), abs=2e-3)


def test_a_circulant_by_hand():
    """Rows exp(a cos(2π(v − c)/n))/Z have centred logits of rank 2, whose two singular values are alike.

    At d = 2 the gap is 0; at d = 1 it is not.
    """
    angles = 2 * np.pi * (np.arange(9)[:, None] - np.arange(9)) / 9
    laws = NextTokenLaws.of_counts(csr_array(np.exp(2 * np.cos(angles))))
    logs = np.log(laws.joint.toarray())
    values = np.linalg.svd(logs - logs.mean(axis=1, keepdims=True), compute_uv=False)
    np.testing.assert_allclose(values[:3], [9, 9, 0], atol=1e-9)  # a n / 2
    one, two = (optimum(laws, d, LONG).gap_nats for d in (1, 2))
    assert two < 1e-8 < 0.1 < one


def test_bounds_only_cost():
    laws = random_laws(20, 12)
    gaps = [optimum(laws, 3, LONG, bound).gap_nats for bound in (2.0, 5.0, 20.0, None)]
    assert gaps == sorted(gaps, reverse=True)
    tight = optimum(laws, 3, LONG, 1e-9)
    assert tight.loss_nats == pytest.approx(np.log(laws.shape[1]))  # no norms, no logits


def test_looser_bounds_begin_at_the_solution_of_tighter_ones():
    laws = random_laws(20, 12)
    tight = optimum(laws, 3, LONG, 5.0)
    no_search = SearchOptions(iterations=1, trial_iterations=1)
    assert optimum(laws, 3, no_search, None, None, tight).loss_nats <= tight.loss_nats + 1e-12
    assert optimum(laws, 3, no_search, None, None, tight).start == "bounded"


def test_how_a_search_ended_is_said():
    laws = random_laws(20, 12)
    short = optimum(laws, 4, SearchOptions(iterations=4, trial_iterations=2))
    assert not short.converged
    assert short.iterations == 4
    assert short.last_gain_nats >= 0
    long = optimum(laws, 1, LONG)
    assert long.converged
    assert long.gradient_norm < 1e-4 < short.gradient_norm
    assert long.spread_nats >= 0


def test_the_same_again():
    laws = random_laws(20, 12)
    first, second = (optimum(laws, 3, SearchOptions()) for _ in range(2))
    assert np.array_equal(first.head, second.head)


def test_laws_without_counts_are_refused():
    with pytest.raises(ValueError, match="no counts"):
        NextTokenLaws.of_counts(csr_array((3, 3)))


@pytest.mark.parametrize("rank", [0, 30, 41])
def test_a_rank_that_cannot_be_is_refused(rank):
    with pytest.raises(ValueError, match=f"rank is {rank}; with 40 contexts and 30 tokens it can be 1 to 29"):
        logit_language(40, 30, rank, seed=0)
