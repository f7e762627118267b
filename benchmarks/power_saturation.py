"""What the tests on the paper's curves of saturation can see: false positives, coverage and power, by simulation.

    python -m benchmarks.power_saturation

Figure 1a: 28 losses with the errors of 50,000 tokens, of curves whose loss falls to the end and of others that increase
by a known amount after their minimum; errors independent between steps, as the test takes them, or half or nearly all
of their variance shared. Figure 3: 133 perplexities with the scatter of their neighbours. Timing: onsets that fall
anywhere in training, and onsets near the best step. Seeded; under two minutes.
"""

import numpy as np
import pandas as pd

from lm_saturation.evidence.paper_curves import minimum_losses
from lm_saturation.evidence.paper_saturation import both_figures
from lm_saturation.saturation.onset_timing import nearer_by_chance, share_within, timing_p_values, timing_power
from lm_saturation.saturation.thresholds import WARM_UP_SHARE
from lm_saturation.statistics.data_fission import increase_of_estimates
from lm_saturation.statistics.decisions import ERROR

RESOURCES = "src/lm_saturation/resources"
SIMULATIONS = 300  # of each curve
SAMPLES = 500  # of data fission in each
FIGURES = {  # steps, standard error: nats/token of Fig 1a, nats/word of Fig 3
    "Fig 1a": (28, 0.0145),
    "Fig 3": (133, 0.007),
}
INCREASES = [0.0, 0.02, 0.06, 0.08, 0.1]
SHARED = [0.0, 0.5, 0.95]  # of the variance of the errors
ONSETS = 20_000  # simulated sets of onsets
LAST = 143_000.0


def curve(steps: int, increase: float) -> np.ndarray:
    """A loss (steps,) that falls as a power law to its minimum, at 40 % of training, and then rises evenly.

    Without an increase it falls to the end.
    """
    at = np.arange(1, steps + 1) / steps
    falling = 0.25 * at**-0.3
    if not increase:
        return falling
    best = int(0.4 * steps)
    return np.where(at <= at[best], falling, falling[best] + increase * (at - at[best]) / (1 - at[best]))


def tried(random: np.random.Generator, truth: np.ndarray, error: float, shared: float) -> tuple[float, float]:
    """The interval (low, high) of a curve with errors, of whose variance a share is that of all steps."""
    common, own = random.normal(size=1), random.normal(size=len(truth))
    noise = error * (np.sqrt(shared) * common + np.sqrt(1 - shared) * own)
    low, high = increase_of_estimates(truth + noise, np.full(len(truth), error), SAMPLES, int(random.integers(2**31)))
    return float(low or np.nan), float(high or np.nan)


def increases() -> pd.DataFrame:
    """Of every figure, increase and share of common errors: how often the interval lies above 0 and holds the truth."""
    random = np.random.default_rng(0)
    rows = []
    for figure, (steps, error) in FIGURES.items():
        for shared in SHARED:
            for increase in INCREASES:
                truth = curve(steps, increase)
                ends = np.array([tried(random, truth, error, shared) for _ in range(SIMULATIONS)])
                true = truth[-1] - truth.min()
                rows.append(
                    {
                        "figure": figure,
                        "shared": shared,
                        "increase": increase,
                        "above 0": (ends[:, 0] > 0).mean(),
                        "holds it": ((ends[:, 0] <= true) & (true <= ends[:, 1])).mean(),
                        "not below it": (ends[:, 1] >= true).mean(),
                    }
                )
    return pd.DataFrame(rows)


def timing() -> pd.DataFrame:
    """The power for onsets within a factor of their best steps, and false positives, by the number of models."""
    random = np.random.default_rng(1)
    rows = []
    for models in (4, 9, 20):
        best = np.resize([53_000.0, 38_000, 46_000, 77_000], models)
        last, spacing = np.full(models, LAST), np.full(models, 1000.0)
        onsets = random.integers(int(WARM_UP_SHARE * LAST // 1000) + 1, 144, (ONSETS, models)) * 1000.0
        false = (timing_p_values(nearer_by_chance(onsets, best, last, spacing)) <= ERROR).mean()
        power = {f"within {factor}": timing_power(factor, best, last, spacing, ERROR) for factor in (1.1, 1.2, 1.5, 2)}
        rows.append({"models": models, "false positives": false, **power})
    return pd.DataFrame(rows)


def paper() -> pd.DataFrame:
    """The paper's onsets against the best steps of Fig 3 and of Fig 1a: share of a factor of 2, and the test."""
    models = both_figures(*(pd.read_csv(f"{RESOURCES}/figure_{number}_published.csv") for number in "35")).iloc[:4]
    minima = minimum_losses(pd.read_csv(f"{RESOURCES}/figure_1a_published.csv")).set_index("model")
    rows = []
    for figure, best in (("Fig 3", models.best_step), ("Fig 1a", models.model.map(minima.best_step))):
        best = best.to_numpy(float)
        last, spacing = np.full(4, LAST), np.full(4, 1000.0 if figure == "Fig 3" else 5000.0)
        window = share_within(np.full(4, 2.0), best, last, spacing)
        for name in ("anisotropy_onset_step", "singular_entropy_rise_start_step"):
            onset = models[name].to_numpy(float)
            rows.append(
                {
                    "best steps": figure,
                    "onset": name,
                    "ratios": np.round(onset / best, 2).tolist(),
                    "a factor of 2 holds": np.round(window, 2).tolist(),
                    "nearer by chance": np.round(nearer_by_chance(onset, best, last, spacing), 2).tolist(),
                    "p, even steps": float(timing_p_values(nearer_by_chance(onset, best, last, spacing))),
                    "p, even logarithms": float(timing_p_values(nearer_in_logarithms(onset, best, last, spacing))),
                }
            )
    return pd.DataFrame(rows)


def nearer_in_logarithms(onset: np.ndarray, best: np.ndarray, last: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """As `nearer_by_chance`, for a step that is drawn evenly in its logarithm."""
    factors = np.exp(np.abs(np.log(onset / best)))
    inside = np.log(np.minimum(best * factors, last) / np.maximum(best / factors, WARM_UP_SHARE * last))
    return np.clip((inside + spacing / best) / -np.log(WARM_UP_SHARE), 0, 1)


if __name__ == "__main__":
    pd.set_option("display.width", 200, "display.max_columns", 20, "display.max_colwidth", 60)
    for table in (increases(), timing(), paper()):
        print(table.round(3).to_string(index=False), end="\n\n")
