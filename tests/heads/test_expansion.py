"""Lemma 5.1: derivatives against differences, the optimum against scikit-learn's, orders of convergence."""

import numpy as np
import pandas as pd
import pytest

from lm_saturation.heads.loss_expansion import expansion_rows, optimum, order, order_rows, random_problem
from lm_saturation.io.tables import read_table


@pytest.fixture(scope="module")
def small_problem():
    return random_problem(np.random.default_rng(1), 300, 6, 3)


def test_derivatives_are_the_limits_of_differences(small_problem):
    problem, head = small_problem
    direction = np.random.default_rng(2).standard_normal(head.shape)
    step = 1e-5
    difference = (problem.loss(head + step * direction) - problem.loss(head - step * direction)) / (2 * step)
    assert (problem.gradient(head) * direction).sum() == pytest.approx(difference, rel=1e-7)
    forward, back = (problem.gradient(head + sign * step * direction) for sign in (1, -1))
    second = problem.hessian(head) @ direction.ravel()
    np.testing.assert_allclose(second, (forward - back).ravel() / (2 * step), atol=1e-8)


def test_no_eigenvalue_of_the_hessian_of_softmax_passes_a_half():
    rng = np.random.default_rng(0)
    largest = 0.0
    for _ in range(300):
        p = rng.dirichlet(np.full(rng.integers(2, 9), rng.choice([0.05, 1.0])))
        largest = max(largest, np.linalg.eigvalsh(np.diag(p) - np.outer(p, p))[-1])
    assert largest <= 0.5 + 1e-12
    assert np.linalg.eigvalsh(np.diag([0.5, 0.5]) - 0.25)[-1] == pytest.approx(0.5)


def test_the_first_order_term_vanishes_at_the_optimum_of_the_sum_and_not_of_each_token(small_problem):
    problem, head = small_problem
    best = optimum(problem, head)
    assert np.abs(problem.gradient(best)).max() < 1e-12
    assert problem.loss(best) < problem.loss(head)
    single = type(problem)(problem.states[:1], problem.next_tokens[:1], problem.size)
    assert np.abs(single.gradient(best)).max() > 0.01


def test_the_optimum_is_scipys(small_problem):
    from scipy.optimize import minimize

    problem, head = small_problem

    def value(flat):
        return problem.loss(flat.reshape(head.shape)), problem.gradient(flat.reshape(head.shape)).ravel()

    by_scipy = minimize(value, np.zeros(head.size), jac=True, method="BFGS", options={"gtol": 1e-9})
    assert problem.loss(optimum(problem, head)) == pytest.approx(by_scipy.fun, abs=1e-12)


def test_order_of_a_power():
    steps = np.geomspace(1e-3, 1e-1, 5)
    assert order(steps, -3 * steps**1.5) == pytest.approx(1.5)


def test_the_order_is_one_away_from_an_optimum_and_two_at_it():
    orders = pd.DataFrame(order_rows(expansion_rows(6))).set_index(["place", "quantity"])
    assert orders.order["random", "change"] == pytest.approx(1, abs=0.05)
    for row in ("random", "remainder"), ("optimum", "change"), ("optimum", "remainder"):
        assert orders.order[row] == pytest.approx(2, abs=0.01)
        assert orders.order_low[row] <= orders.order[row] <= orders.order_high[row]
    assert orders.largest_first_order["optimum", "change"] < 1e-11 < orders.largest_first_order["random", "change"]


def test_the_rule_writes_both_tables(tmp_path, run_script):
    paths = {"changes": tmp_path / "changes.parquet", "orders": tmp_path / "orders.parquet"}
    run_script("heads/loss_expansion.py", output=paths)
    assert read_table("loss_expansion", paths["changes"]).num_rows == 40 * 2 * 9
    assert read_table("loss_expansion_orders", paths["orders"]).num_rows == 4
