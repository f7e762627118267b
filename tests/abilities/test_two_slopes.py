"""Slopes on both sides of a loss."""

import numpy as np
import pytest

from benchmarks.coverage_abilities import designs, shapes, slope_rates
from lm_saturation.abilities.two_slopes import GRID, SHARES, two_slopes
from tests.abilities.test_curves import KINK, simulated

SUITE = ("pythia-v1", "mmlu")


@pytest.fixture(scope="module")
def mmlu():
    return designs()[SUITE]


def test_the_broken_line_is_that_of_a_search_by_least_squares(mmlu):
    best = np.inf
    for at in np.linspace(*np.quantile(mmlu.losses, SHARES), GRID):
        distance = mmlu.losses - at
        basis = np.column_stack([np.ones_like(distance), distance.clip(min=0), distance.clip(max=0)])
        coefficients, (error,), *_ = np.linalg.lstsq(basis, mmlu.scores)
        if error < best:
            best, expected = error, (at, *coefficients[1:])
    found = two_slopes(mmlu.losses, mmlu.scores, mmlu.models)
    assert (found.break_loss, found.above, found.below) == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_without_noise_the_slopes_are_the_ones_drawn():
    losses, y, _, models = simulated(np.random.default_rng(0), "kink", noise=0, offset=0, points=60)
    found = two_slopes(losses, y, models)
    assert found.break_loss == pytest.approx(KINK, abs=0.03)
    assert found.above == pytest.approx(0, abs=2e-3)
    assert found.below == pytest.approx(-0.25, abs=5e-3)


def test_mmlu_of_version_1_is_as_worked_by_hand(mmlu):
    """Lines through the points above 2.6 and in 1.8 to 2.2 nats/word: 0 [-.0013, .0019] and -.052 [-.065, -.032]."""
    found = two_slopes(mmlu.losses, mmlu.scores, mmlu.models)
    assert 2.2 < found.break_loss < 2.6
    assert found.above == pytest.approx(0, abs=0.001)
    assert found.above_low < 0 < found.above_high
    assert found.below == pytest.approx(-0.052, abs=0.005)
    for low, high, slope in ((2.6, np.inf, 0.0), (1.8, 2.2, -0.052)):
        rows = (mmlu.losses > low) & (mmlu.losses < high)
        assert np.polyfit(mmlu.losses[rows], mmlu.scores[rows], 1)[0] == pytest.approx(slope, abs=0.003)


@pytest.mark.parametrize(
    ("shape", "emerges"),
    [("at chance, then a line", True), ("at chance throughout", False), ("a line", False), ("exponential", False)],
)
def test_only_what_stays_at_chance_and_then_grows_emerges(shape, emerges, mmlu):
    """A small run of benchmarks/coverage_abilities.py."""
    rates = slope_rates(mmlu, shapes(mmlu.losses)[shape], 40)
    assert rates["emerges"] >= 0.9 if emerges else rates["emerges"] <= 0.1
    if emerges:
        assert rates["flat covered"] >= 0.85
        assert rates["does not"] == 0
