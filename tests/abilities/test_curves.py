"""Ability as a curve over loss: kinks are found where they are, and only there."""

import numpy as np
import pytest

from lm_saturation.abilities.curves import tipping_point

KINK = 3.2
SHAPES = {
    "flat": lambda loss: 0.25 + 0 * loss,
    "line": lambda loss: 0.25 + 0.1 * (5 - loss),
    "exponential": lambda loss: 0.25 + 0.5 * np.exp(-1.2 * (loss - 2.2)),
    "logistic": lambda loss: 0.25 + 0.5 / (1 + np.exp(3 * (loss - 3))),
    "softplus": lambda loss: 0.25 + 0.075 * np.log1p(np.exp((KINK - loss) / 0.3)),
    "kink": lambda loss: 0.25 + 0.25 * np.maximum(0, KINK - loss),
}


def simulated(random, shape, models=6, points=15, noise=0.02, offset=0.01, size=0.0):
    """Losses, performances, sizes and numbers of models; larger ones reach lower losses, each has an `offset`.

    `size` shifts the loss by so many nats for ten times the parameters.
    """
    number = np.repeat(np.arange(models), points)
    sizes = np.geomspace(1e7, 1e9, models)
    lowest = 2.2 + 0.5 * (models - 1 - np.arange(models)) / models
    losses = np.concatenate([random.uniform(low, 5, points) for low in lowest])
    shifted = losses - size * np.log10(sizes[number] / 1e8)
    y = SHAPES[shape](shifted) + noise * random.standard_normal(len(losses))
    return losses, y + (offset * random.standard_normal(models))[number], sizes[number], number


@pytest.mark.parametrize("shape", ["flat", "line", "exponential", "logistic", "softplus"])
def test_no_kink_is_found_where_there_is_none(shape):
    random = np.random.default_rng(0)
    supported = []
    for _ in range(150):
        losses, y, _, models = simulated(random, shape)
        supported.append(tipping_point(losses, y, models, 100).is_supported)
    assert np.mean(supported) <= 0.04  # docs/method/abilities.md has the rates


@pytest.mark.parametrize(("models", "power"), [(6, 0.25), (20, 0.45)])
def test_a_kink_is_found_and_its_place_is_in_the_interval(models, power):
    random = np.random.default_rng(1)
    supported, covered = [], []
    for _ in range(60):
        losses, y, _, numbers = simulated(random, "kink", models=models)
        tipping = tipping_point(losses, y, numbers, 100)
        supported.append(tipping.is_supported)
        covered.append(tipping.point_low <= KINK <= tipping.point_high)
    assert np.mean(supported) >= power
    assert np.mean(covered) >= 0.93


def test_without_noise_the_kink_is_where_it_is():
    losses, y, _, models = simulated(np.random.default_rng(2), "kink", noise=0, offset=0, points=60)
    tipping = tipping_point(losses, y, models, 50)
    assert tipping.is_supported
    assert tipping.point == pytest.approx(KINK, abs=0.02)
    assert tipping.floor == pytest.approx(0.25, abs=0.003)
