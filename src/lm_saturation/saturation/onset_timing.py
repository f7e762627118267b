"""Do onsets come nearer to the saturation point than chance would place them?

An onset that has nothing to do with the loss falls anywhere in training past warm-up, and a window of a factor of 2
around a best step in its middle holds most of that. So the distance of an onset from the best step, |ln(onset / best)|,
is compared with that of a step drawn evenly between the end of warm-up and the end of training, and the p-values of
models are combined by Fisher's method (Fisher 1932). It takes models for independent. Where checkpoints are, onsets and
best steps lie on a grid: a spacing is added to every window, so that p-values are conservative.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lm_saturation.saturation.thresholds import WARM_UP_SHARE

SIMULATIONS = 4000
SEED = 0

Numbers = NDArray[np.float64]


def share_within(factors: Numbers, best: Numbers, last: Numbers, spacing: Numbers) -> Numbers:
    """(n,) share of the steps past warm-up that lie within a factor of each best step."""
    start = WARM_UP_SHARE * last
    inside = np.minimum(best * factors, last) - np.maximum(best / factors, start)
    return np.clip((np.maximum(inside, 0) + spacing) / (last - start), 0, 1)


def nearer_by_chance(onset: Numbers, best: Numbers, last: Numbers, spacing: Numbers) -> Numbers:
    """(n,) the chance that a step of each training lies as near to its best step as the onset; 1 if there is none."""
    factors = np.exp(np.abs(np.log(onset / best)))
    return np.where(np.isnan(onset), 1.0, share_within(np.nan_to_num(factors, nan=1.0), best, last, spacing))


def timing_p_values(chances: Numbers) -> Numbers:
    """(...) p-values of all models (..., n) together, by Fisher's method."""
    return np.asarray(stats.chi2.sf(-2 * np.log(chances).sum(-1), 2 * chances.shape[-1]))


def timing_power(factor: float, best: Numbers, last: Numbers, spacing: Numbers, error: float) -> float:
    """The chance of a p-value of at most `error` if every onset comes within a factor of its best step.

    Onsets are drawn evenly in logarithms within that factor, from the same trainings.
    """
    shifts = np.random.default_rng(SEED).uniform(-1, 1, (SIMULATIONS, len(best)))
    onsets = np.clip(best * factor**shifts, WARM_UP_SHARE * last, last)
    return float((timing_p_values(nearer_by_chance(onsets, best, last, spacing)) <= error).mean())
