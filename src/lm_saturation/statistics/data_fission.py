"""Data fission: two independent halves made of estimates and their standard errors alone.

y + s z and y − s z are independent, with twice the variance of y, if z is normal (Rasines and Young 2023, Biometrika
110; Leiner et al. 2023, arXiv 2112.11079).
"""

import numpy as np

from lm_saturation.statistics.intervals import SAMPLES, SEED, interval
from lm_saturation.statistics.loss_increase import Numbers, increase_of_halves


def increase_of_estimates(
    values: Numbers, errors: Numbers, samples: int = SAMPLES, seed: int = SEED
) -> tuple[float | None, float | None]:
    """The 95 % interval of the increase from the best step to the last of estimates (steps,), by their errors (steps,).

    As `loss_increase`, where the units are not known. Errors count as independent between steps; where steps share
    their items, as in one benchmark, that is conservative.
    """
    random = np.random.default_rng(seed)
    split, first, second = random.standard_normal((3, samples, len(values)))
    halves = [values + errors * (split + np.sqrt(2) * first), values + errors * (np.sqrt(2) * second - split)]
    return interval(increase_of_halves(halves))
