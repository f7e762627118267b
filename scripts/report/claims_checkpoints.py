"""The claims about checkpoints, judged on tables table_saturation and onset_correlation.

Each test was written down before any suite was measured; docs/figures.md says how the paper's own curves fare in them.
"""

from typing import Any

import numpy as np
import pandas as pd

from scripts.metrics.onsets import ANISOTROPY_ONSET, ENTROPY_RISE
from scripts.report.verdicts import Claim, verdict_row

LEAST_CHECKPOINTS = 10  # past warm-up; with fewer, neither a minimum nor an onset can be seen
SMALL_MODEL = 410e6  # parameters, "up to 410M"
SMALL_HEAD, LARGE_HEAD = 768, 1024  # hidden sizes: the largest that degenerates in Fig 5, the least that does not
NEAR = 2.0  # an onset lies near the best step if it comes within this factor of it
LEAST_MODELS = 5  # with fewer, no order of onsets can have a p-value below .05
LEVEL = 0.05
# Parameters of the paper's models, and the tokens a parameter that they had seen at their best steps in Fig 1a.
PAPER_PARAMETERS = [14_067_712, 30_494_720, 70_426_624, 162_322_944, 405_334_016]
PAPER_BEST_STEPS = [35_000, 50_000, 50_000, 75_000, 140_000]
PAPER_TOKENS = [2_097_152 * step / size for step, size in zip(PAPER_BEST_STEPS, PAPER_PARAMETERS, strict=True)]

SATURATE = Claim(
    "small_models_saturate",
    "Models of up to 410M parameters saturate: late in training their loss rises again (here: the 95 % interval of "
    "final minus best loss lies above 0)",
    "14M to 410M; read off Fig 1a: by 0.006 to 0.066 in 14M to 160M, 410M not",
    "nats a token",
    "figure_1a, saturation",
)
SEPARATES = Claim(
    "anisotropy_separates",
    f"Last-layer anisotropy separates the models that saturate from the others (here: at the end it is above "
    f"{ANISOTROPY_ONSET} in all of the first and none of the others)",
    "Fig 2: 0.98 to 0.99 in Pythia 14M to 160M, 0.14 to 0.20 above",
    "mean cosine",
    "figure_2, figure_3, saturation",
)
NEAR_SATURATION = Claim(
    "anisotropy_rises_at_saturation",
    f"Anisotropy rises near the saturation point (here: it passes {ANISOTROPY_ONSET} within a factor of {NEAR:g} of "
    "the step of least loss, in models where both set in)",
    "Figs 1a and 3: 1.17 to 1.22",
    "of the best step",
    "figure_3, saturation",
)
ORDER = Claim(
    "onsets_in_order",
    "Loss, anisotropy and singular entropy set in in the same order over the models of a suite (implied; here: rank "
    f"correlations above 0 with an exact p-value below {LEVEL})",
    "not stated",
    "Spearman correlation",
    "onset_correlation",
)
SPIKE = Claim(
    "singular_values_spike",
    "In models that saturate, the singular values of the head flatten and then spike (here: singular entropy falls to "
    f"a minimum and ends more than {ENTROPY_RISE} ln d above it)",
    "Fig 5: 0.83 to 0.93 in 14M to 160M",
    "of ln d",
    "figure_4, figure_5, saturation",
)
DEGENERATE = Claim(
    "small_heads_degenerate",
    f"The singular entropy of small heads degenerates, that of large heads does not (here: d up to {SMALL_HEAD} "
    f"and from {LARGE_HEAD}; more than {ENTROPY_RISE} ln d above its minimum at the end)",
    "Fig 5: 0.83 to 0.93 for d up to 768, 0.01 from 1024",
    "of ln d",
    "figure_5, saturation",
)


def trained_enough(table: pd.DataFrame) -> pd.Series:
    """Has each model seen as many tokens a parameter as the paper's model of its size had when its loss was least?

    Between the paper's sizes the least number is interpolated on logarithms, outside it is that of the nearest.
    """
    size = np.log(table.parameters.to_numpy(float))
    least = np.exp(np.interp(size, np.log(PAPER_PARAMETERS), np.log(PAPER_TOKENS)))
    return table.tokens_per_parameter >= 0.999 * least  # the table's numbers are rounded


def checkpoint_rows(table: pd.DataFrame, correlation: pd.DataFrame) -> list[dict[str, Any]]:
    """Every claim of this file."""
    seen = table[table.late_checkpoints >= LEAST_CHECKPOINTS]
    saturating = seen[seen.saturates == 1]
    small = seen[(seen.parameters <= SMALL_MODEL) & trained_enough(seen)]
    return [
        verdict_row(SATURATE, small.difference, small.saturates == 1, small.difference_low, small.difference_high),
        _separates(seen),
        _near_saturation(saturating),
        _in_order(correlation),
        verdict_row(SPIKE, _entropy_rise(saturating), saturating.singular_entropy_onset_step.notna()),
        _degenerate(seen),
    ]


def _separates(seen: pd.DataFrame) -> dict[str, Any]:
    tested = seen if seen.saturates.nunique() == 2 else seen[:0]  # both kinds are needed
    agrees = (tested.anisotropy_final > ANISOTROPY_ONSET) == (tested.saturates == 1)
    return verdict_row(SEPARATES, tested.anisotropy_final, agrees)


def _near_saturation(saturating: pd.DataFrame) -> dict[str, Any]:
    both = saturating[saturating.anisotropy_onset_step.notna() & (saturating.best_step > 0)]
    ratio = both.anisotropy_onset_step / both.best_step
    return verdict_row(NEAR_SATURATION, ratio, ratio.between(1 / NEAR, NEAR))


def _in_order(correlation: pd.DataFrame) -> dict[str, Any]:
    names = ["cross_entropy", "anisotropy", "singular_entropy"]
    pairs = correlation[correlation.metric.isin(names) & correlation.other.isin(names)]
    pairs = pairs[(pairs.models >= LEAST_MODELS) & pairs.spearman.notna()]
    return verdict_row(ORDER, pairs.spearman, (pairs.spearman > 0) & (pairs.p_value < LEVEL))


def _degenerate(seen: pd.DataFrame) -> dict[str, Any]:
    small = seen[(seen.hidden_size <= SMALL_HEAD) & trained_enough(seen)]
    large = seen[seen.hidden_size >= LARGE_HEAD]
    tested = pd.concat([small, large]) if len(small) and len(large) else seen[:0]
    sets_in = tested.singular_entropy_onset_step.notna()
    return verdict_row(DEGENERATE, _entropy_rise(tested), sets_in == (tested.hidden_size <= SMALL_HEAD))


def _entropy_rise(table: pd.DataFrame) -> pd.Series:
    """How far singular entropy ends above its minimum, as a share of ln d."""
    return (table.singular_entropy_final - table.singular_entropy_least) / np.log(table.hidden_size.astype(float))
