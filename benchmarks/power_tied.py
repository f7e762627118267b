"""What few seeds can tell about remedies: coverage of intervals over seeds, and how often "alike" is found or missed.

Remedies trained with the same seeds: noise that the remedies of a seed share, and noise of each training, as the
default run and the shipped trainings have it. Decisions are those of the claims (Student's intervals of paired
differences, two one-sided tests, Holm over remedies). Seeded; under a minute on one core.

python -m benchmarks.power_tied
"""

import numpy as np

from benchmarks.common import write_results
from lm_saturation.claims.tied import QUALITY, SPEED
from lm_saturation.statistics.decisions import Curves, alike, below
from lm_saturation.statistics.intervals import mean_interval

SIMULATIONS = 1000
REMEDIES = 8
SEEDS = (3, 4, 5, 10)
SHARED = 0.05  # of the mean: noise of a seed that all its remedies have; it falls out of differences
NOISE = {  # of the mean: standard deviation of a training beside that, as measured, and the margin
    "steps to the loss, default": (0.051, SPEED.value),
    "steps to the loss, shipped": (0.077, SPEED.value),
    "final loss, shipped": (0.0022, QUALITY.value),
}
SHAPES = {  # of the noise, with variance 1
    "normal": lambda rng, size: rng.standard_normal(size),
    "Student, 5 degrees of freedom": lambda rng, size: rng.standard_t(5, size) / np.sqrt(5 / 3),
    "exponential": lambda rng, size: rng.exponential(size=size) - 1,
}


def differences(rng, seeds, noise, effect, shape="normal"):
    """(seeds, remedies) values less the mean of all, as shares of it; the first remedy is off the others by `effect`.

    The effect is that of its difference from the mean.
    """
    own = noise * SHAPES[shape](rng, (seeds, REMEDIES))
    own[:, 0] += effect * REMEDIES / (REMEDIES - 1)
    values = 1 + own + SHARED * rng.standard_normal((seeds, 1))
    return values - values.mean(1, keepdims=True)


def curves(values):
    """The remedies' mean differences with their intervals."""
    mean, low, high = mean_interval(values)
    names = [str(remedy) for remedy in range(len(mean))]
    return Curves(names, mean, low, high, np.full(len(mean), len(values) - 1.0))


def coverage(seeds, shape, simulations=SIMULATIONS):
    """The share of nominal 95 % intervals of differences that hold the true one, 0."""
    rng = np.random.default_rng(0)
    made = [mean_interval(differences(rng, seeds, 0.01, 0.0, shape)) for _ in range(simulations)]
    return float(np.mean([(low <= 0) & (high >= 0) for _, low, high in made]))


def alike_rates(seeds, noise, margin, effect, simulations=SIMULATIONS):
    """How often the first remedy, off by `effect`, is found alike and found different; how often all are alike."""
    rng = np.random.default_rng(0)
    made = [alike(curves(differences(rng, seeds, noise, effect)), margin) for _ in range(simulations)]
    first = np.mean([(decisions.agrees[0], decisions.contradicts[0]) for decisions in made], 0)
    return float(first[0]), float(first[1]), float(np.mean([decisions.agrees.all() for decisions in made]))


def no_gain_rate(seeds, noise, margin, gain, simulations=SIMULATIONS):
    """How often a remedy that lowers plain tying's loss by `gain` is said to gain less than the margin."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(simulations):
        own = noise * rng.standard_normal((seeds, REMEDIES))
        gains = own[:, :1] - own[:, 1:] + gain
        found.append(below(curves(gains), margin).agrees[0])
    return float(np.mean(found))


def main():
    lines = [
        f"{SIMULATIONS} studies of {REMEDIES} remedies each. Share of the nominal 95 % intervals of a difference that "
        "hold it, by the noise of a training:",
        "",
        "| noise | " + " | ".join(f"{seeds} seeds" for seeds in SEEDS) + " |",
        "|---|" + "---:|" * len(SEEDS),
    ]
    for shape in SHAPES:
        cells = [f"{coverage(seeds, shape):.3f}" for seeds in SEEDS]
        lines.append(f"| {shape} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "Verdicts by the margins of the claims. A remedy is found *alike* if it is, found alike if it is off by the "
        "margin itself (at most .025), found *different* if it is off by twice the margin, all remedies found alike if "
        "they are, and found to gain nothing if it gains nothing, or just the margin:",
        "",
        "| quantity | noise | margin | seeds | alike | at margin | different | all alike | no gain | at margin |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for quantity, (noise, margin) in NOISE.items():
        for seeds in SEEDS:
            equal = alike_rates(seeds, noise, margin, 0.0)
            edge = alike_rates(seeds, noise, margin, margin)[0]
            different = alike_rates(seeds, noise, margin, 2 * margin)[1]
            gains = [no_gain_rate(seeds, noise, margin, gain) for gain in (0.0, margin)]
            shares = [equal[0], edge, different, equal[2], *gains]
            cells = [f"{noise:.1%}", f"{margin:.0%}", str(seeds), *(f"{share:.3f}" for share in shares)]
            lines.append(f"| {quantity} | " + " | ".join(cells) + " |")
    write_results("Power of comparisons of remedies", "python -m benchmarks.power_tied", ["numpy", "scipy"], lines)


if __name__ == "__main__":
    main()
