"""Decisions against intervals worked by hand, Holm by brute force, and the error rates that they promise."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lm_saturation.statistics.decisions import (
    ERROR,
    Curves,
    above,
    alike,
    below,
    curves_of,
    decided,
    holm,
    joined,
    with_power,
    within,
)


def intervals(*rows, freedom=np.inf):
    """Curves of (value, low, high)."""
    values, low, high = np.array(rows, float).T
    return Curves([str(n) for n in range(len(rows))], values, low, high, np.full(len(rows), float(freedom)))


def said(decisions):
    """A letter per curve: agrees, contradicts, open."""
    return "".join(
        "a" if yes else "c" if no else "o" for yes, no in zip(decisions.agrees, decisions.contradicts, strict=True)
    )


@pytest.mark.parametrize(
    ("interval", "expected"),
    [((0.1, 0.01, 0.2), "a"), ((-0.1, -0.2, -0.01), "c"), ((0.1, -0.1, 0.3), "o"), ((0.0, np.nan, np.nan), "o")],
)
def test_above_needs_the_whole_interval(interval, expected):
    assert said(above(intervals(interval), 0)) == expected
    mirrored = (-interval[0], -interval[2], -interval[1])
    assert said(below(intervals(mirrored), 0)) == expected


def test_an_effect_that_is_excluded_contradicts_and_one_that_could_hide_does_not():
    assert said(above(intervals((0.0, -0.004, 0.004)), 0, effect=0.005)) == "c"
    assert said(above(intervals((0.0, -0.1, 0.1)), 0, effect=0.005)) == "o"
    assert said(above(intervals((0.002, 0.001, 0.003)), 0, effect=0.005)) == "a"  # small, but there


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ((0.0, -0.9, 0.9), "a"),
        ((0.0, -0.9, 1.1), "o"),  # it touches the margin
        ((2.0, 1.1, 3.0), "c"),
        ((-2.0, -3.0, -1.1), "c"),
        ((0.0, -5.0, 5.0), "o"),  # a test without power says nothing
    ],
)
def test_alike_is_an_interval_inside_the_margin(interval, expected):
    assert said(alike(intervals(interval), 1)) == expected
    shifted = tuple(end + 7 for end in interval)
    assert said(within(intervals(shifted), 6, 8)) == expected


def test_exact_values_decide_by_themselves():
    rows = pd.DataFrame({"suite": ["s", "s"], "model": ["m", "n"], "value": [0.5, -0.5]})
    exact = curves_of(rows, "value", name=["suite", "model"])
    assert exact.names == ["s m", "s n"]
    assert said(above(exact, 0)) == "ac"
    assert said(alike(exact, 0.6)) == "aa"


def test_seeds_have_wider_tails():
    """An interval of Student's t over three seeds decides as it stands, and its p-values are of its own freedom."""
    one = intervals((1.0, 0.1, 1.9), freedom=2)
    assert said(above(one, 0)) == "a"
    error = 0.9 / stats.t.isf(ERROR, 2)
    assert one.above(0)[0] == pytest.approx(stats.t.sf(1 / error, 2))


def stepwise(p_values):
    """Holm by its definition: reject the smallest as long as each is below level / tests left."""
    rejected = np.zeros(len(p_values), bool)
    for rank, place in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[place] > ERROR / (len(p_values) - rank):
            break
        rejected[place] = True
    return rejected


def test_holm_is_its_stepwise_definition():
    random = np.random.default_rng(0)
    for size in (1, 2, 5, 20):
        for _ in range(200):
            p_values = random.beta(0.3, 3, size)
            assert ((holm(p_values) <= ERROR) == stepwise(p_values)).all()
    ordered = holm(np.array([0.001, 0.01, 0.2, np.nan]))
    assert np.isnan(ordered[3])
    assert all(one <= other for one, other in pairwise(ordered[:3]))
    assert len(holm(np.array([]))) == 0


def test_error_rates_and_power_are_as_promised():
    """20 true nulls: a false word in at most 5 % of families; power of one test as its formula says."""
    random = np.random.default_rng(0)
    families = 1000
    noise = random.standard_normal((families, 20))
    false = [above(_normal(row), 0).agrees.any() for row in noise]
    assert np.mean(false) == pytest.approx(ERROR, abs=0.015)
    seen = above(_normal(2 + random.standard_normal(families)), 0, effect=2.0)
    single = [above(_normal(np.array([value])), 0).agrees[0] for value in seen.curves.values]
    assert np.mean(single) == pytest.approx(seen.power[0], abs=0.035)
    alike_seen = [alike(_normal(np.array([value])), 3.0) for value in random.standard_normal(families)]
    assert np.mean([one.agrees[0] for one in alike_seen]) == pytest.approx(alike_seen[0].power[0], abs=0.035)


def _normal(values):
    half = stats.norm.isf(ERROR)
    return intervals(*[(value, value - half, value + half) for value in values])


def test_other_tests_and_their_power():
    three = intervals((1, 1, 1), (2, 2, 2), (3, 3, 3))
    assert said(decided(three, [True, False, False])) == "acc"
    assert said(decided(three, [True, False, False], [False, True, False])) == "aco"
    assert said(with_power(decided(three, [True, False, False]), [0.9, 0.9, 0.5])) == "aco"


def test_parts_are_joined_in_order():
    first, second = above(intervals((1, 0.5, 1.5)), 0), alike(intervals((9, 8, 10), (0, -0.1, 0.1)), 1)
    assert said(joined([first, second])) == "aca"
    assert joined([first, second]).curves.names == ["0", "0", "1"]
