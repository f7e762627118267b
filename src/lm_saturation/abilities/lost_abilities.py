"""Abilities that models lose before training ends (Table 1 of arXiv 2404.07647).

One row for each model, task, metric and number of shots. The interval of what is lost is paired over items
(`loss_increase`) where the items are known, and from standard errors (`increase_of_estimates`) where they are not, as
in published evaluations. Perplexities are compared by their logarithm.
"""

from typing import Any

import numpy as np
import pandas as pd

from lm_saturation.abilities.choice_metrics import item_values
from lm_saturation.abilities.score_scales import loss_scale, loss_scale_errors
from lm_saturation.statistics.data_fission import increase_of_estimates
from lm_saturation.statistics.loss_increase import loss_increase

TASK_KEYS = ["suite", "model", "task", "num_fewshot"]
SCORE_KEYS = [*TASK_KEYS, "metric"]
MINIMUM_CHECKPOINTS = 4  # for an interval
ABILITY_WARM_UP_SHARE = 0.05  # of the steps, in which no checkpoint counts as best: the model guesses, if well by luck


def lost_abilities(scores: pd.DataFrame, samples: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of `ability_saturation`: one for each curve of `ability_scores`.

    samples are rows of `ability_samples` of those that were measured here.
    """
    measured = dict(iter(samples.groupby(TASK_KEYS))) if len(samples) else {}
    rows = []
    for names, curve in scores.groupby(SCORE_KEYS, sort=False):
        curve = curve[curve.step >= ABILITY_WARM_UP_SHARE * curve.step.max()].sort_values("step")
        task = measured.get(names[:-1])
        items = None if task is None else item_values(task[task.step.isin(curve.step)], str(names[-1]))
        rows.append(lost_ability(curve, items))
    return rows


def lost_ability(curve: pd.DataFrame, items: pd.DataFrame | None) -> dict[str, Any]:
    """Best and final checkpoint of one curve (rows of `ability_scores`), and how much is lost between them.

    items (steps, items), if known, are the values of each item, by step.
    """
    scale = loss_scale(str(curve.metric.iloc[0]), curve.value)
    best, final = int(scale.argmin()), len(curve) - 1
    low, high, source = _lost_interval(curve, items)
    return {
        **{key: curve[key].iloc[0] for key in (*SCORE_KEYS, "parameters", "hidden_size")},
        "checkpoints": len(curve),
        "best_step": int(curve.step.iloc[best]),
        "best": float(curve.value.iloc[best]),
        "best_error": _or_none(curve.stderr.iloc[best]),
        "final_step": int(curve.step.iloc[final]),
        "final": float(curve.value.iloc[final]),
        "final_error": _or_none(curve.stderr.iloc[final]),
        "lost": float(scale[final] - scale[best]),
        "lost_low": low,
        "lost_high": high,
        "errors_from": source,
        "saturates": int(low is not None and low > 0),
        "chance": _or_none(curve.chance.iloc[final]),
    }


def _lost_interval(curve: pd.DataFrame, items: pd.DataFrame | None) -> tuple[float | None, float | None, str]:
    """The 95 % interval of what is lost, and where its errors come from: items, published, neighbours or none."""
    metric = str(curve.metric.iloc[0])
    if len(curve) < MINIMUM_CHECKPOINTS:
        return None, None, "none"
    if items is not None:
        return *loss_increase(loss_scale(metric, items.to_numpy()), np.ones(items.shape[1])), "items"
    errors = loss_scale_errors(metric, curve.value, curve.stderr.astype(float))
    source = "neighbours" if curve.stderr.isna().any() else "published"
    return *increase_of_estimates(loss_scale(metric, curve.value), errors), source


def _or_none(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
