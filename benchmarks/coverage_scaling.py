"""How often intervals of a free scaling law hold its constants, when models have noise of their own.

Five models of 17 checkpoints each, as in the default configuration: half a percent of noise that the checkpoints of a
model share, a tenth of a percent of their own. Ours draws losses with such noise, estimated from the residuals; the
peer resamples checkpoints, as is usual. Seeded; about two minutes on two cores.

python -m benchmarks.coverage_scaling
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np

from benchmarks.common import write_results
from lm_saturation.scaling.bootstrap import drawn_losses, estimate_noise, refits
from lm_saturation.scaling.law import NAMES, Law, fit, make_points
from lm_saturation.statistics.intervals import interval

SUITES, SAMPLES = 100, 100
TRUE = Law(50.0, 0.3, 30.0, 0.2, 1.0)
PARAMETERS = np.array([20_000, 40_000, 90_000, 200_000, 330_000])
TOKENS = 4096.0 * np.append(64, np.arange(75, 1201, 75))
MODEL_NOISE, POINT_NOISE = 0.005, 0.001


class Serial:
    """Runs the fits of a simulation in its own process."""

    map = staticmethod(map)


def simulated(seed):
    """Losses of a suite, and the number of the model of each."""
    rng, models = np.random.default_rng(seed), np.repeat(np.arange(len(PARAMETERS)), len(TOKENS))
    noise = MODEL_NOISE * rng.standard_normal(len(PARAMETERS))[models] + POINT_NOISE * rng.standard_normal(len(models))
    parameters, tokens = PARAMETERS[models], np.tile(TOKENS, len(PARAMETERS))
    return make_points(parameters, tokens, TRUE.loss(parameters, tokens) * np.exp(noise)), models


def with_model_noise(points, models, law, samples):
    """Laws of losses drawn with the noise estimated."""
    drawn = drawn_losses(law, points, models, estimate_noise(law, points, models, ()), samples)
    return refits(points, {}, law, drawn, Serial(), "simulation")


def with_resampled_points(points, models, law, samples):
    """Laws of bootstrap samples of the checkpoints."""
    rng, number = np.random.default_rng(0), len(models)
    weights = rng.multinomial(number, np.full(number, 1 / number), samples).astype(float)
    return [fit(points.weighted(sample), {}, law.theta()[None])[0] for sample in weights]


METHODS = {"ours": with_model_noise, "resampled checkpoints": with_resampled_points}


def held(samples, seed):
    """(methods, constants) does the interval hold the constant, and its width over the constant."""
    points, models = simulated(seed)
    law, _ = fit(points, {}, TRUE.theta()[None])
    found = []
    for method in METHODS.values():
        laws = method(points, models, law, samples)
        ends = [interval(np.array([getattr(sample, name) for sample in laws])) for name in NAMES]
        true = [getattr(TRUE, name) for name in NAMES]
        found.append(
            [(low <= value <= high, (high - low) / value) for (low, high), value in zip(ends, true, strict=True)]
        )
    return np.array(found, float)


def coverage(suites, samples, over: Callable = map):
    """By method, the share of the suites whose interval holds each constant."""
    found = np.array(list(over(partial(held, samples), range(suites))))
    return [dict(zip(NAMES, of_method, strict=True)) for of_method in found[..., 0].mean(0)]


def main():
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        found = np.array(list(pool.map(partial(held, SAMPLES), range(SUITES))))
    shares, widths = found[..., 0].mean(0), np.median(found[..., 1], 0)
    lines = [
        f"{SUITES} suites of {len(PARAMETERS)} models, {len(TOKENS)} checkpoints each, noise {MODEL_NOISE:.1%} a model "
        f"and {POINT_NOISE:.1%} a checkpoint; {SAMPLES} samples. Share of the nominal 95 % intervals that hold the "
        "constant (the median of their width over it).",
        "",
        "| method | " + " | ".join(NAMES) + " |",
        "|---|" + "---:|" * len(NAMES),
    ]
    for name, share, width in zip(METHODS, shares, widths, strict=True):
        cells = [f"{s:.2f} ({w:.2f})" for s, w in zip(share, width, strict=True)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    write_results("Coverage of scaling laws", "python -m benchmarks.coverage_scaling", ["numpy", "scipy"], lines)


if __name__ == "__main__":
    main()
