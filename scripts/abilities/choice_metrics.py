"""What a model knows of multiple-choice items, beyond which choice it likes best.

Du, Zeng, Dong and Tang 2024 (arXiv 2403.15796), section 3: an ability that emerges in accuracy should be seen to emerge
in metrics that are continuous, too.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]


def choice_probabilities(log_probabilities: Array) -> Array:
    """(n, k) the probability of each choice among its item's, of log-probabilities (n, k); −inf where there is none."""
    shifted = np.exp(log_probabilities - log_probabilities.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


def item_metrics(log_probabilities: Array, correct: NDArray[np.bool_], lengths: Array) -> dict[str, Array]:
    """Every metric's value of each item (n,), from its choices (n, k).

    log_probabilities in nats, −inf past the last choice of an item; which choices are correct, at least one an item;
    lengths in characters.

    acc                             is the likeliest choice correct?
    acc_norm                        the same by log-probability a character, as lm-evaluation-harness has it
    correct_choice_prob             probability of the correct choices among all choices of the item
    correct_choice_prob_vocabulary  probability of the correct choices among all texts
    brier                           Σ_j (y_j − p_j)² over the choices
    chance, chance_brier            what guessing gives: accuracy and probability, and the Brier score of equal p
    """
    there = np.isfinite(log_probabilities)
    probabilities = choice_probabilities(log_probabilities)
    rows = np.arange(len(correct))
    share = correct.sum(1) / there.sum(1)
    per_character = np.where(there, log_probabilities / np.where(lengths > 0, lengths, 1), -np.inf)
    truth = correct / correct.sum(1, keepdims=True)
    return {
        "acc": correct[rows, log_probabilities.argmax(1)].astype(float),
        "acc_norm": correct[rows, per_character.argmax(1)].astype(float),
        "correct_choice_prob": (probabilities * correct).sum(1),
        "correct_choice_prob_vocabulary": (np.exp(log_probabilities) * correct).sum(1),
        "brier": ((truth - probabilities) ** 2).sum(1),
        "chance": share,
        "chance_brier": (((truth - 1 / there.sum(1, keepdims=True)) ** 2) * there).sum(1),
    }


def sample_metrics(samples: pd.DataFrame) -> dict[str, Array]:
    """Every metric's value of each item (items,), from rows of `ability_samples` of one task and checkpoint.

    None of a task that only asks for the likelihood of a text.
    """
    if samples.greedy.isna().all():
        return {}
    if samples.choice.max() == 0:
        nats = samples.log_probability_nats.to_numpy(float)
        return {"acc": samples.greedy.to_numpy(float), "correct_choice_prob_vocabulary": np.exp(nats)}
    columns = ["log_probability_nats", "correct", "characters"]
    places = samples.pivot_table(index="item", columns="choice", values=columns)
    return item_metrics(
        places["log_probability_nats"].fillna(-np.inf).to_numpy(float),
        places["correct"].fillna(0).to_numpy(float) > 0,
        places["characters"].fillna(0).to_numpy(float),
    )


def item_values(samples: pd.DataFrame, metric: str) -> pd.DataFrame | None:
    """(steps, items) of one metric, from rows of `ability_samples` of one task; None if it is no mean over items."""
    found = {step: sample_metrics(rows).get(metric) for step, rows in samples.groupby("step")}
    if any(values is None for values in found.values()):
        return None
    return pd.DataFrame.from_dict(found, orient="index")
