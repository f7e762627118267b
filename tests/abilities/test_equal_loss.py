"""Pairs at equal loss, on curves whose answer is known."""

import numpy as np
import pytest

from scripts.abilities.equal_loss import difference_interval, find_pairs

FALLS = np.array([4.0, 3.6, 3.2, 3.0])
RISES = np.array([3.1, 3.3, 3.5])
LOSSES = np.concatenate([FALLS, RISES])


def test_pairs_by_hand():
    ability = 10 - LOSSES  # a function of loss alone
    found = find_pairs(LOSSES, ability)
    np.testing.assert_array_equal(found.after, [4, 5, 6])
    np.testing.assert_array_equal(found.before, [2, 1, 1])
    np.testing.assert_allclose(found.share, [0.5, 0.75, 0.25])
    np.testing.assert_allclose(found.early, found.late)
    assert found.difference == pytest.approx(0)


def test_what_is_lost_is_found():
    ability = 10 - LOSSES - np.r_[np.zeros(4), np.full(3, 0.7)]
    assert find_pairs(LOSSES, ability).difference == pytest.approx(-0.7)


@pytest.mark.parametrize("losses", [FALLS, [4.0, 3.0, 5.0], [3.0, 3.5, 4.0], [2.0]])
def test_no_pairs_without_the_same_loss_before(losses):
    found = find_pairs(np.array(losses, float), np.zeros(len(losses)))
    assert len(found.after) == 0
    assert np.isnan(found.difference)


def test_a_bumpy_fall_is_read_at_its_first_place():
    found = find_pairs(np.array([4.0, 3.0, 3.5, 2.0, 3.2]), np.array([0.0, 1.0, 0.5, 2.0, 9.0]))
    np.testing.assert_array_equal(found.before, [0])  # 3.2 is first reached between the first two
    np.testing.assert_allclose(found.early, [0.8])


@pytest.mark.parametrize("lost", [0.0, 0.05])
def test_intervals_cover(lost):
    steps = np.arange(25)
    losses = 3 + 0.002 * (steps - 12.0) ** 2
    truth = 0.5 - 0.5 * (losses - 3) - lost * (steps > 12)
    random = np.random.default_rng(0)
    covered = []
    for seed in range(80):
        drawn, y = losses + 0.002 * random.standard_normal(25), truth + 0.02 * random.standard_normal(25)
        low, high = difference_interval(drawn, y, np.full(25, 0.002), np.full(25, 0.02), 100, seed)
        covered.append(low <= -lost <= high)
    assert np.mean(covered) >= 0.9
