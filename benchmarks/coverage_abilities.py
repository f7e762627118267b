"""Coverage and power of the tests of ability against loss, by simulation: 3 minutes.

python -m benchmarks.coverage_abilities

The losses, sizes and models are those of Pythia's published evaluations. Scores are drawn from a known curve, with the
published errors of items, and an offset for each model as large as the scatter of models around the curve.
"""

import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.common import write_results
from lm_saturation.abilities.emergence import trained
from lm_saturation.abilities.loss_points import published_points
from lm_saturation.abilities.loss_shift import hats, loss_shift, solve
from lm_saturation.abilities.pythia_evaluations import published_scores
from lm_saturation.abilities.two_slopes import two_slopes
from lm_saturation.claims import CLAIMS
from lm_saturation_workflow.project import resource

SEED, SAMPLES = 0, 150
SUITES = ["pythia-v0", "pythia-v1"]  # 10 and 21 models, five-shot
SHIFT_TASKS = ["sciq", "arc_easy", "piqa", "mmlu"]
SHIFTS = [0.0, 0.2, 0.5]  # nats/word a decade of size
ETA = 2.2  # nats/word, about where MMLU leaves chance
STEEP, SMOOTH = -0.05, 1.0  # accuracy/nat below ETA, about that of MMLU; nats over which a smooth curve bends


@dataclass(frozen=True)
class Design:
    """Points (n,) of published evaluations of one task: what a simulation keeps."""

    losses: np.ndarray
    log_sizes: np.ndarray
    models: np.ndarray
    errors: np.ndarray
    scores: np.ndarray

    def curve(self, shift: float) -> np.ndarray:
        """Scores of the curve that fits the published ones best, of models whose size makes up for `shift` nats."""
        basis = hats(self.losses[None])[0]
        heights = solve(basis.T @ basis, basis.T @ self.scores)
        order = np.argsort(self.losses)
        return np.interp(self.losses - shift * self.log_sizes, self.losses[order], (basis @ heights)[order])

    def offset(self) -> float:
        """Standard deviation of models around the curve, beyond the errors of items."""
        left = pd.Series(self.scores - self.curve(0)).groupby(self.models)
        noise = pd.Series(self.errors**2).groupby(self.models).mean() / left.size()
        return float(np.sqrt(max(0.0, left.mean().var() - noise.mean())))

    def drawn(self, truth: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Scores with the errors of items and an offset of each model."""
        offsets = self.offset() * random.standard_normal(self.models.max() + 1)
        return truth + offsets[self.models] + self.errors * random.standard_normal(len(truth))


def designs() -> dict[tuple[str, str], Design]:
    """By suite and task, the published five-shot evaluations against LAMBADA's loss."""
    scores = published_scores(
        pd.read_csv(resource("pythia_evaluations.csv.xz")), pd.read_csv(resource("pythia_models.csv"))
    )
    points = trained(published_points(scores, pd.read_csv(resource("figure_1a_published.csv"))))
    points = points[(points.loss_measure == "lambada") & (points.num_fewshot == 5)]
    return {key: _design(rows) for key, rows in points.groupby(["suite", "task"])}


def _design(rows: pd.DataFrame) -> Design:
    log_sizes = np.log10(rows.parameters.to_numpy(float))
    columns = (rows.loss.to_numpy(float), log_sizes - log_sizes.mean(), pd.factorize(rows.model)[0])
    return Design(*columns, rows.stderr.to_numpy(float), rows.value.to_numpy(float))


def shift_rates(design: Design, shift: float, samples: int, seed: int = SEED) -> dict[str, float]:
    """Of simulations with a known shift: coverage, and how often it is found alike, and unlike, 0."""
    random, truth = np.random.default_rng(seed), design.curve(shift)
    drawn = [design.drawn(truth, random) for _ in range(samples)]
    found = [loss_shift(design.losses, scores, design.log_sizes, design.models) for scores in drawn]
    low, high = np.array([[one.low, one.high] for one in found]).T
    margin = CLAIMS["one_curve_for_all_sizes"].cut.value
    return {
        "coverage": float(((low <= shift) & (shift <= high)).mean()),
        "alike": float(((low > -margin) & (high < margin)).mean()),
        "unlike": float(((low > margin) | (high < -margin)).mean()),
        "median": float(np.median([one.shift for one in found])),
        "half width": float(np.median((high - low) / 2)),
    }


def shapes(losses: np.ndarray) -> dict[str, np.ndarray]:
    """Scores (n,) that stay at chance above ETA, and such as never do."""
    steep = -STEEP
    return {
        "at chance, then a line": 0.25 + steep * np.maximum(0, ETA - losses),
        "at chance throughout": np.full(len(losses), 0.25),
        "a line": 0.25 + steep * (losses.max() - losses),
        "grows above as half as fast": 0.25 + steep * (np.maximum(0, ETA - losses) + 0.5 * np.minimum(0, ETA - losses)),
        "exponential": 0.25 + steep * SMOOTH * np.exp((ETA - losses) / SMOOTH),
    }


def slope_rates(design: Design, truth: np.ndarray, samples: int, seed: int = SEED) -> dict[str, float]:
    """Of simulations of a curve: how often it is said to emerge, and how often not to."""
    random = np.random.default_rng(seed)
    found = [two_slopes(design.losses, design.drawn(truth, random), design.models) for _ in range(samples)]
    ends = ("above_low", "above_high", "below_low", "below_high")
    low, high, below_low, below_high = (np.array([getattr(one, end) for one in found]) for end in ends)
    margin = CLAIMS["mmlu_has_a_tipping_point"].cut.value
    return {
        "flat covered": float(((low <= 0) & (high >= 0)).mean()),
        "fall covered": float(((below_low <= STEEP) & (below_high >= STEEP)).mean()),
        "emerges": float(((low > -margin) & (high < margin) & (below_high < 0)).mean()),
        "does not": float(((high < -margin) | (low > margin) | (below_low > 0)).mean()),
    }


def table(rows: list[list[str]], header: list[str]) -> list[str]:
    """Lines of Markdown."""
    return ["| " + " | ".join(row) + " |" for row in [header, ["---"] * 2 + ["---:"] * (len(header) - 2), *rows]]


def main(samples: int = SAMPLES) -> None:
    """Write the tables of RESULTS.md."""
    known = designs()
    shift_rows, slope_rows = [], []
    for suite in SUITES:
        for task in SHIFT_TASKS:
            for shift in SHIFTS:
                rates = shift_rates(known[suite, task], shift, samples)
                shift_rows.append([suite, task, f"{shift:g}", *(f"{rate:.3f}" for rate in rates.values())])
                print(shift_rows[-1], flush=True)
        design = known[suite, "mmlu"]
        for shape, truth in shapes(design.losses).items():
            rates = slope_rates(design, truth, samples)
            slope_rows.append([suite, shape, *(f"{rate:.3f}" for rate in rates.values())])
            print(slope_rows[-1], flush=True)
    shift_header = ["suite", "task", "true shift", "coverage", "alike", "unlike", "median", "half of the interval"]
    slope_header = ["suite", "curve", "flat covered", "fall covered", "emerges", "does not"]
    lines = [
        f"{samples} simulations each, on the losses, sizes and models of Pythia's published five-shot evaluations, "
        "with "
        "their errors of items and the scatter of models around the curve. Shifts in nats/word a decade of size: "
        "nominal coverage .95, *alike* is an interval inside the margin of the claim, *unlike* one outside.",
        "",
        *table(shift_rows, shift_header),
        "",
        "Tipping points: *emerges* is a slope inside the margin above the break and below 0 below it.",
        "",
        *table(slope_rows, slope_header),
    ]
    write_results("Ability against loss", "python -m benchmarks.coverage_abilities", ["scipy"], lines)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
