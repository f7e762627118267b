"""Do the onsets of two metrics come in the same order over the models of a suite?"""

from collections.abc import Iterator
from itertools import combinations, permutations
from math import factorial
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from lm_saturation.saturation.onsets import Numbers

SEED = 0
EXACT_MODELS = 8  # all orders of so many models are tried, of more a random sample
ORDERS = 100_000


def onset_correlation(onsets: Numbers, others: Numbers) -> tuple[float | None, float | None]:
    """Spearman's rank correlation of two onsets over models, and the two-sided p-value of a permutation test.

    The test is exact up to EXACT_MODELS models: every order of the second is tried. (None, None) below three models or
    where all onsets are the same.
    """
    count = len(onsets)
    first, second = (stats.rankdata(values) - (count + 1) / 2 for values in (onsets, others))
    scale = np.sqrt((first @ first) * (second @ second))
    if count < 3 or scale == 0:
        return None, None
    observed = float(np.clip(first @ second / scale, -1, 1))
    if count <= EXACT_MODELS:
        orders = np.array(list(permutations(range(count))))
        drawn = 0
    else:
        random = np.random.default_rng(SEED)
        orders = random.permuted(np.tile(np.arange(count), (ORDERS, 1)), axis=1)
        drawn = 1  # the observed order is one of those tried
    extreme = int((np.abs(second[orders] @ first) / scale >= abs(observed) - 1e-12).sum())
    return observed, (extreme + drawn) / ((factorial(count) if not drawn else ORDERS) + drawn)


def correlation_rows(saturation: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """One row for each suite and pair of metrics, over the models in which both set in."""
    for suite, group in saturation.groupby("suite", sort=False):
        onsets = group.pivot_table(index="model", columns="metric", values="onset_step", dropna=False)
        for metric, other in combinations(group.metric.unique(), 2):
            both = onsets[[metric, other]].dropna().to_numpy(float)
            spearman, p_value = onset_correlation(*both.T)
            names = {"suite": suite, "metric": metric, "other": other}
            yield {**names, "models": len(both), "spearman": spearman, "p_value": p_value}
