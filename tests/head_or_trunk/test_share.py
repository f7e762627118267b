"""The share of a head: its interval is the t-tests that it inverts, and holds a planted share as often as it says."""

import numpy as np
import pytest
from scipy import stats

from lm_saturation.head_or_trunk.share import share_of


def samples(number, seeds, share, excess, errors=(0.03, 0.04), correlation=0.6):
    """Paired costs of heads and excess losses (number, seeds) with normal errors."""
    random = np.random.default_rng(0)
    one, other = random.standard_normal((2, number, seeds))
    other = correlation * one + np.sqrt(1 - correlation**2) * other
    return share * excess + errors[0] * one, excess + errors[1] * other


def test_without_errors_it_is_the_share():
    found = share_of(np.full(4, 0.3), np.full(4, 0.5))
    assert (found.value, found.low, found.high) == pytest.approx((0.6, 0.6, 0.6))


def test_the_ends_are_where_the_paired_t_test_begins_to_reject():
    heads, excess = (values[0] for values in samples(1, 5, 0.7, 0.4))
    found = share_of(heads, excess)
    for end in (found.low, found.high):
        assert stats.ttest_1samp(heads - end * excess, 0).pvalue == pytest.approx(0.05, rel=1e-6)
    assert found.low < found.value < found.high


def test_an_exact_denominator_leaves_the_t_interval():
    heads = samples(1, 6, 0.7, 0.4)[0][0]
    found = share_of(heads, np.full(6, 0.4))
    expected = stats.t.interval(0.95, 5, heads.mean(), stats.sem(heads))
    assert (found.low, found.high) == pytest.approx([end / 0.4 for end in expected])


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("share", [0.2, 0.5, 1.1])
def test_it_holds_a_planted_share_in_95_of_100(seeds, share):
    """4,000 studies with an excess loss of ten standard deviations; 0.0034 is one standard error of the count."""
    ends = [share_of(*pair) for pair in zip(*samples(4000, seeds, share, 0.4), strict=True)]
    held = np.mean([found.low is not None and found.low <= share <= found.high for found in ends])
    assert abs(held - 0.95) < 4 * 0.0034


def test_near_no_excess_there_is_no_interval_and_rarely_a_wrong_one():
    """An excess that is no larger than its error has no share that could be told."""
    ends = [share_of(*pair) for pair in zip(*samples(4000, 5, 0.5, 0.01), strict=True)]
    bounded = [found for found in ends if found.low is not None]
    assert len(bounded) < 0.2 * len(ends)
    wrong = sum(not found.low <= 0.5 <= found.high for found in bounded)
    assert wrong / len(ends) < 0.05


@pytest.mark.parametrize("excess", [-0.4, 0.0])
def test_a_narrow_model_that_is_no_worse_has_none(excess):
    found = share_of(np.array([0.1, 0.11, 0.09]), excess + np.array([0.001, -0.002, 0.001]))
    assert (found.low, found.high) == (None, None)


def test_two_seeds_have_none():
    found = share_of(np.array([0.2, 0.21]), np.array([0.4, 0.41]))
    assert (found.low, found.high) == (None, None)
    assert found.value == pytest.approx(0.205 / 0.405)
