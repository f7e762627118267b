"""What size adds to loss: injected shifts are found, and none where there is none."""

import numpy as np
import pytest
from scipy.interpolate import make_lsq_spline

from benchmarks.coverage_abilities import designs, shift_rates
from lm_saturation.abilities.loss_shift import KNOTS, LARGEST, hats, loss_shift, lowest, model_sums, squared_errors
from tests.abilities.test_curves import simulated

MARGIN = 0.1  # nats a decade, of the claim one_curve_for_all_sizes


def shift_of(losses, y, sizes, models):
    return loss_shift(losses, y, np.log10(sizes), models)


def test_the_fit_of_a_curve_is_scipys_spline():
    random = np.random.default_rng(0)
    x = np.sort(random.uniform(2, 5, 200))
    y = np.sin(x) + 0.1 * random.standard_normal(200)
    knots = np.quantile(x, np.linspace(0, 1, KNOTS))
    spline = make_lsq_spline(x, y, np.r_[knots[0], knots, knots[-1]], k=1)
    error = squared_errors(model_sums(hats(x[None]), y, np.array([0]))[0, 0])
    assert error == pytest.approx(((y - spline(x)) ** 2).sum(), rel=1e-6)


def test_the_lowest_point_of_a_parabola():
    places = np.linspace(-2, 2, 9)
    assert lowest(places, (places - 0.37) ** 2 + 3) == pytest.approx(0.37)
    assert lowest(places, places) == -2


@pytest.mark.parametrize("shift", [-0.5, 0.0, 0.5])
@pytest.mark.parametrize("shape", ["logistic", "exponential", "line"])
def test_without_noise_the_shift_is_the_one_injected(shape, shift):
    losses, y, sizes, models = simulated(np.random.default_rng(1), shape, noise=0, offset=0, points=40, size=shift)
    assert shift_of(losses, y, sizes, models).shift == pytest.approx(shift, abs=0.02)


def test_a_shift_of_half_a_nat_is_found():
    random = np.random.default_rng(2)
    found = []
    for _ in range(30):
        shift = shift_of(*simulated(random, "logistic", models=8, noise=0.01, offset=0.005, size=0.5))
        found.append(shift.low > MARGIN)
    assert np.mean(found) >= 0.9


def test_intervals_cover_and_size_that_does_nothing_is_not_found():
    random = np.random.default_rng(3)
    shifts = [shift_of(*simulated(random, "logistic", models=8)) for _ in range(100)]
    assert np.mean([shift.low <= 0 <= shift.high for shift in shifts]) >= 0.92
    assert np.mean([shift.low > MARGIN or shift.high < -MARGIN for shift in shifts]) <= 0.05


def test_ability_that_is_of_size_alone_lies_at_the_end_of_the_grid():
    losses, _, sizes, models = simulated(np.random.default_rng(4), "flat", models=8)
    shift = shift_of(losses, np.log10(sizes), sizes, models)
    assert shift.shift > 1
    assert shift.low > MARGIN
    assert shift.shift <= LARGEST


@pytest.mark.parametrize("suite", ["pythia-v0", "pythia-v1"])
def test_intervals_cover_with_the_noise_of_published_evaluations(suite):
    """A small run of benchmarks/coverage_abilities.py."""
    rates = shift_rates(designs()[suite, "arc_easy"], 0.5, 40)
    assert rates["coverage"] >= 0.85  # .95 of 40 is at least 34 in 99 of 100 cases
    assert rates["unlike"] >= 0.95
