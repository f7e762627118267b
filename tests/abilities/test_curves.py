"""Ability as a curve over loss: what is there is found, what is not there is not."""

import numpy as np
import pytest

from scripts.abilities.curves import size_effect, tipping_point

KINK = 3.2
SHAPES = {
    "flat": lambda loss: 0.25 + 0 * loss,
    "line": lambda loss: 0.25 + 0.1 * (5 - loss),
    "exponential": lambda loss: 0.25 + 0.5 * np.exp(-1.2 * (loss - 2.2)),
    "logistic": lambda loss: 0.25 + 0.5 / (1 + np.exp(3 * (loss - 3))),
    "softplus": lambda loss: 0.25 + 0.075 * np.log1p(np.exp((KINK - loss) / 0.3)),
    "kink": lambda loss: 0.25 + 0.25 * np.maximum(0, KINK - loss),
}


def simulated(random, shape, models=6, points=15, noise=0.02, own=0.01, size=0.0):
    """Losses, performances, sizes and numbers of models; larger ones reach lower losses, each is off by some `own`.

    `size` shifts the loss by so many nats for ten times the parameters.
    """
    number = np.repeat(np.arange(models), points)
    sizes = np.geomspace(1e7, 1e9, models)
    least = 2.2 + 0.5 * (models - 1 - np.arange(models)) / models
    losses = np.concatenate([random.uniform(low, 5, points) for low in least])
    shifted = losses - size * np.log10(sizes[number] / 1e8)
    y = SHAPES[shape](shifted) + noise * random.standard_normal(len(losses))
    return losses, y + (own * random.standard_normal(models))[number], sizes[number], number


@pytest.mark.parametrize("shape", ["flat", "line", "exponential", "logistic", "softplus"])
def test_no_kink_is_found_where_there_is_none(shape):
    random = np.random.default_rng(0)
    found = []
    for _ in range(150):
        losses, y, _, models = simulated(random, shape)
        found.append(tipping_point(losses, y, models, 100).found)
    assert np.mean(found) <= 0.04  # docs/method.md has the rates


@pytest.mark.parametrize(("models", "least"), [(6, 0.25), (20, 0.45)])
def test_a_kink_is_found_and_its_place_is_in_the_interval(models, least):
    random = np.random.default_rng(1)
    found, covered = [], []
    for _ in range(60):
        losses, y, _, numbers = simulated(random, "kink", models=models)
        one = tipping_point(losses, y, numbers, 100)
        found.append(one.found)
        covered.append(one.point_low <= KINK <= one.point_high)
    assert np.mean(found) >= least
    assert np.mean(covered) >= 0.93


def test_without_noise_the_kink_is_where_it_is():
    losses, y, _, models = simulated(np.random.default_rng(2), "kink", noise=0, own=0, points=60)
    one = tipping_point(losses, y, models, 50)
    assert one.found
    assert one.point == pytest.approx(KINK, abs=0.02)
    assert one.floor == pytest.approx(0.25, abs=0.003)


def test_size_that_does_nothing_is_not_found():
    random = np.random.default_rng(3)
    found = []
    for _ in range(60):
        losses, y, sizes, models = simulated(random, "logistic")
        found.append(size_effect(losses, y, sizes, models, 100).extra_low > 0)
    assert np.mean(found) <= 0.05


def test_size_that_shifts_the_loss_is_found_in_nats():
    random = np.random.default_rng(4)
    shifts, found = [], []
    for _ in range(30):
        losses, y, sizes, models = simulated(random, "logistic", noise=0.01, own=0, size=0.5)
        one = size_effect(losses, y, sizes, models, 100)
        shifts.append(one.shift)
        found.append(one.extra_low > 0)
    assert np.mean(found) >= 0.9
    assert np.mean(shifts) == pytest.approx(0.5, abs=0.1)


def test_shares_are_out_of_sample():
    random = np.random.default_rng(5)
    losses = random.uniform(2, 5, 90)
    one = size_effect(losses, random.standard_normal(90), np.full(90, 1e8), np.repeat(np.arange(6), 15), 50)
    assert one.common < 0.05  # an isotonic curve through noise explains much of what it has seen
    assert one.extra == pytest.approx(0)  # one size cannot matter
