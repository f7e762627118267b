"""Intervals by leaving out clusters."""

import numpy as np
import pytest
from scipy import stats

from lm_saturation.statistics.jackknife import jackknife_interval


def test_of_a_mean_it_is_students_interval():
    values = np.random.default_rng(0).gamma(2, size=9)
    without = np.array([np.delete(values, place).mean() for place in range(9)])
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert jackknife_interval(values.mean(), without) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("without", [[], [1.0], [1.0, np.nan, 2.0], [1.0, np.inf]])
def test_it_is_unknown_where_it_cannot_be_had(without):
    assert jackknife_interval(1.0, np.array(without)) == (None, None)
