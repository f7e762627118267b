"""Pairs at equal loss, on curves whose answer is known."""

import numpy as np
import pytest

from lm_saturation.abilities.equal_loss import difference_interval, find_pairs, mean_differences

FALLS = np.array([4.0, 3.6, 3.2, 3.0])
RISES = np.array([3.1, 3.3, 3.5])
LOSSES = np.concatenate([FALLS, RISES])


def test_pairs_by_hand():
    ability = 10 - LOSSES  # a function of loss alone
    pairs = find_pairs(LOSSES, ability)
    np.testing.assert_array_equal(pairs.after, [4, 5, 6])
    np.testing.assert_array_equal(pairs.before, [2, 1, 1])
    np.testing.assert_allclose(pairs.share, [0.5, 0.75, 0.25])
    np.testing.assert_allclose(pairs.early, pairs.late)
    assert pairs.difference == pytest.approx(0)


def test_a_lost_ability_is_found():
    ability = 10 - LOSSES - np.r_[np.zeros(4), np.full(3, 0.7)]
    assert find_pairs(LOSSES, ability).difference == pytest.approx(-0.7)


@pytest.mark.parametrize("losses", [FALLS, [4.0, 3.0, 5.0], [3.0, 3.5, 4.0], [2.0]])
def test_no_pairs_without_the_same_loss_before(losses):
    pairs = find_pairs(np.array(losses, float), np.zeros(len(losses)))
    assert len(pairs.after) == 0
    assert np.isnan(pairs.difference)


def test_a_bumpy_fall_is_read_at_its_first_place():
    pairs = find_pairs(np.array([4.0, 3.0, 3.5, 2.0, 3.2]), np.array([0.0, 1.0, 0.5, 2.0, 9.0]))
    np.testing.assert_array_equal(pairs.before, [0])  # 3.2 is first reached between the first two
    np.testing.assert_allclose(pairs.early, [0.8])


def found_one_by_one(losses, y):
    """Pairs by a loop over checkpoints."""
    best, differences = int(losses.argmin()), []
    falling = np.minimum.accumulate(losses[: best + 1])
    for after in range(best + 1, len(losses)):
        above = np.flatnonzero(falling > losses[after])
        if len(above) and above[-1] < best:
            differences.append(
                y[after] - np.interp(losses[after], falling[above[-1] + 1 :: -1][:2], y[above[-1] + 1 :: -1][:2])
            )
    return np.mean(differences) if differences else np.nan


def test_many_curves_at_once_are_as_one_by_one():
    random = np.random.default_rng(3)
    losses, y = random.standard_normal((2, 200, 7))
    expected = [found_one_by_one(*curve) for curve in zip(losses, y, strict=True)]
    np.testing.assert_allclose(mean_differences(losses, y), expected)
    np.testing.assert_allclose([find_pairs(*curve).difference for curve in zip(losses, y, strict=True)], expected)


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
