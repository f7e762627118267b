"""Metrics of multiple-choice items, from the log-probability of each choice.

Du, Zeng, Dong and Tang 2024 (arXiv 2403.15796), section 3: an ability that emerges in accuracy should be seen to emerge
in metrics that are continuous, too.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]


def choice_probabilities(log_probabilities: Array) -> Array:
    """Probabilities (n, k) of each choice among those of its item, from log-probabilities (n, k); −inf: no choice."""
    shifted = np.exp(log_probabilities - log_probabilities.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


def item_metrics(log_probabilities: Array, correct: NDArray[np.bool_], lengths: Array) -> dict[str, Array]:
    """Every metric's value of each item (n,), from its choices (n, k).

    log_probabilities in nats, −inf past the last choice of an item; which choices are correct, at least one per item;
    lengths in characters.

    acc                             is the most likely choice correct?
    acc_norm                        the same by log-probability per character, as lm-evaluation-harness has it
    correct_choice_prob             probability of the correct choices among all choices of the item
    correct_choice_prob_vocabulary  probability of the correct choices among all texts
    brier                           Σ_j (y_j − p_j)² over the choices
    chance, chance_brier            scores of guessing: accuracy and probability, and the Brier score of equal p
    """
    is_choice = np.isfinite(log_probabilities)
    probabilities = choice_probabilities(log_probabilities)
    rows = np.arange(len(correct))
    share = correct.sum(1) / is_choice.sum(1)
    per_character = np.where(is_choice, log_probabilities / np.where(lengths > 0, lengths, 1), -np.inf)
    truth = correct / correct.sum(1, keepdims=True)
    return {
        "acc": correct[rows, log_probabilities.argmax(1)].astype(float),
        "acc_norm": correct[rows, per_character.argmax(1)].astype(float),
        "correct_choice_prob": (probabilities * correct).sum(1),
        "correct_choice_prob_vocabulary": (np.exp(log_probabilities) * correct).sum(1),
        "brier": ((truth - probabilities) ** 2).sum(1),
        "chance": share,
        "chance_brier": (((truth - 1 / is_choice.sum(1, keepdims=True)) ** 2) * is_choice).sum(1),
    }


def sample_metrics(samples: pd.DataFrame) -> dict[str, Array]:
    """Every metric's value of each item (items,), from rows of `ability_samples` of one task and checkpoint.

    Empty for a task that is only the likelihood of a text.
    """
    if samples.greedy.isna().all():
        return {}
    if samples.choice.max() == 0:
        right, nats = samples.greedy.to_numpy(float), samples.log_probability_nats.to_numpy(float)
        if np.isnan(nats).all():  # generated answers
            return {"acc": right}
        return {"acc": right, "correct_choice_prob_vocabulary": np.exp(nats)}
    columns = ["log_probability_nats", "correct", "characters"]
    choices = samples.pivot_table(index="item", columns="choice", values=columns)
    return item_metrics(
        choices["log_probability_nats"].fillna(-np.inf).to_numpy(float),
        choices["correct"].fillna(0).to_numpy(float) > 0,
        choices["characters"].fillna(0).to_numpy(float),
    )


def item_values(samples: pd.DataFrame, metric: str) -> pd.DataFrame | None:
    """One metric (steps, items), from rows of `ability_samples` of one task; None if it is no mean over items."""
    values = {step: sample_metrics(rows).get(metric) for step, rows in samples.groupby("step")}
    if any(row is None for row in values.values()):
        return None
    return pd.DataFrame.from_dict(values, orient="index")
