"""Tokens that can never be the argmax, against the convex hull and against brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from lm_saturation.metrics import unargmaxable
from lm_saturation.metrics.unargmaxable import count_unargmaxable


def by_programs_alone(head, bias):
    """How many tokens have a linear program of no margin: no screen takes part."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unargmaxable, "_screened", lambda rows, low, tokens: tokens)
        return count_unargmaxable(head, bias, len(head), none_seen(head))


def none_seen(head):
    return np.zeros(len(head), np.bool_)


@pytest.mark.parametrize("width", [2, 3, 5])
def test_without_bias_they_are_the_points_inside_the_convex_hull(width):
    head = np.random.default_rng(width).normal(size=(60, width)) + 5
    inside = len(head) - len(ConvexHull(head).vertices)
    assert inside > 0
    assert count_unargmaxable(head, None, 60, none_seen(head)) == inside


@settings(deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_brute_force_in_two_dimensions(seed, biased):
    rng = np.random.default_rng(seed)
    head, bias = rng.normal(size=(12, 2)), rng.normal(size=12) if biased else None
    angles = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    radii = np.geomspace(1e-2, 1e4, 60) if biased else [1.0]
    directions = np.stack([np.cos(angles), np.sin(angles)], 1)
    found = set()
    for radius in radii:
        found |= set(np.unique((radius * directions @ head.T + (0 if bias is None else bias)).argmax(1)))
    count = count_unargmaxable(head, bias, 12, none_seen(head))
    assert count <= 12 - len(found)  # what was found exists
    assert count >= 12 - len(found) - 1  # a grid may miss a thin region


def test_known_cases():
    square = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1], [0.5, 0.5]])
    assert count_unargmaxable(square, None, 5, none_seen(square)) == 1
    lifted = np.array([0, 0, 0, 0, 2.0])  # at h = 0 the bias lets it win
    assert count_unargmaxable(square, lifted, 5, none_seen(square)) == 0
    assert count_unargmaxable(square, -lifted, 5, none_seen(square)) == 1
    assert count_unargmaxable(square, None, 4, none_seen(square)) == 0  # the fifth row belongs to no token
    twins = np.array([[1.0, 0], [1, 0], [-1, 0]])
    assert count_unargmaxable(twins, None, 3, none_seen(twins)) == 2


def test_tokens_seen_need_no_program(monkeypatch):
    head = np.random.default_rng(0).normal(size=(30, 2))
    hull = set(ConvexHull(head).vertices)
    monkeypatch.setattr(unargmaxable, "_argmaxable", lambda rows, low, token: pytest.fail(f"{token} asked for"))
    assert count_unargmaxable(head, None, 30, np.ones(30, np.bool_)) == 0
    monkeypatch.undo()
    seen = np.array([token in hull for token in range(30)])
    assert count_unargmaxable(head, None, 30, seen) == 30 - len(hull)


def test_more_dimensions_than_tokens_leave_none():
    head = np.random.default_rng(1).normal(size=(20, 30))
    assert count_unargmaxable(head, None, 20, none_seen(head)) == 0


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize(("size", "width"), [(60, 3), (80, 6), (150, 8), (60, 40), (10, 4)])
def test_the_screen_changes_no_answer(size, width, biased):
    rng = np.random.default_rng([size, width])
    head = rng.normal(size=(size, width)) * np.exp(rng.normal(size=(size, 1))) + rng.normal(size=width)
    bias = rng.normal(size=size) if biased else None
    assert count_unargmaxable(head, bias, size, none_seen(head)) == by_programs_alone(head, bias)


@pytest.mark.parametrize("biased", [False, True])
def test_planted_tokens_are_found_beside_many_that_the_screen_clears(biased, monkeypatch):
    """Means of other rows, and a twin of one, are never alone at the top; long rows in many dimensions are."""
    rng = np.random.default_rng(7)
    head = rng.normal(size=(1500, 48)) * rng.uniform(0.8, 1, (1500, 1))
    bias = 0.01 * rng.normal(size=1500) if biased else None
    planted = 1490 + np.arange(9)
    for token in planted:
        others = rng.choice(1490, 12, replace=False)
        head[token] = head[others].mean(0)
        if biased:
            bias[token] = bias[others].mean() - 1e-3
    head[1499] = head[17]
    if biased:
        bias[1499] = bias[17]
    assert by_programs_alone(head, bias) == 11
    programs = []
    solve = unargmaxable._argmaxable
    monkeypatch.setattr(unargmaxable, "_argmaxable", lambda *of: programs.append(of[2]) or solve(*of))
    assert count_unargmaxable(head, bias, 1500, none_seen(head)) == 11
    assert set(programs) >= {17, 1499, *planted.tolist()}
    assert len(programs) < 60  # the screen clears nearly all others


def test_blocks_change_no_answer(monkeypatch):
    head = np.random.default_rng(3).normal(size=(40, 3))
    expected = count_unargmaxable(head, None, 40, none_seen(head))
    monkeypatch.setattr(unargmaxable, "AT_ONCE", 40 * 7)
    assert count_unargmaxable(head, None, 40, none_seen(head)) == expected > 0
