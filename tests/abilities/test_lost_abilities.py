"""Abilities that are lost before training ends, on curves whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from lm_saturation.abilities.lost_abilities import lost_abilities
from lm_saturation.abilities.score_scales import loss_scale, loss_scale_errors

NO_SAMPLES = pd.DataFrame()


def curve(values, stderr=0.01, task="sciq"):
    """Rows of ability_scores of one model."""
    steps = 1000 * np.arange(1, len(values) + 1)
    keys = {"suite": "s", "model": "m", "tokens": steps * 10, "parameters": 5, "hidden_size": 4, "task": task}
    score = {"num_fewshot": 0, "metric": "acc", "value": values, "stderr": stderr, "items": None, "chance": 0.25}
    return pd.DataFrame({"step": steps, **keys, **score, "source": "here"})


def test_lower_is_better_for_perplexities_and_brier_scores_alone():
    np.testing.assert_allclose(loss_scale("perplexity", [1, np.e]), [0, 1])
    np.testing.assert_allclose(loss_scale("bits_per_byte", [1.5]), [1.5])
    np.testing.assert_allclose(loss_scale("acc", [0.2]), [-0.2])
    np.testing.assert_allclose(loss_scale("brier", [0.2]), [0.2])
    np.testing.assert_allclose(loss_scale_errors("perplexity", [10.0, 20.0], [1.0, 1.0]), [0.1, 0.05])


def test_errors_from_neighbours_are_those_of_the_noise():
    noise = 0.02 * np.random.default_rng(0).standard_normal(4000)
    errors = loss_scale_errors("acc", 0.5 + np.linspace(0, 0.1, 4000) + noise, np.full(4000, np.nan))
    assert errors[0] == pytest.approx(0.02, rel=0.05)


def test_abilities_lost_in_published_scores():
    falls = curve(np.r_[np.linspace(0.3, 0.7, 10), np.linspace(0.7, 0.5, 10)])
    row = lost_abilities(falls, NO_SAMPLES)[0]
    assert (row["best_step"], row["saturates"], row["errors_from"]) == (10000, 1, "published")
    assert row["lost"] == pytest.approx(0.2)
    assert row["lost_low"] < 0.2 < row["lost_high"] + 0.02
    few = lost_abilities(curve([0.9, 0.2, 0.1]), NO_SAMPLES)[0]
    assert (few["lost_low"], few["saturates"], few["errors_from"]) == (None, 0, "none")


def test_abilities_lost_item_by_item():
    random = np.random.default_rng(1)
    steps, items = 8, 300
    difficulty = random.uniform(size=items)
    share = np.r_[np.linspace(0.3, 0.8, 5), 0.7, 0.6, 0.5]
    correct = (difficulty[None] < share[:, None]).astype(int)  # the same items stay hard
    rows = [
        {"suite": "s", "model": "m", "step": 1000 * (step + 1), "task": "word", "num_fewshot": 0, "item": item}
        | {"choice": 0, "correct": 1, "log_probability_nats": -1.0, "greedy": correct[step, item], "characters": 3}
        for step in range(steps)
        for item in range(items)
    ]
    scores = curve(correct.mean(1), stderr=0.03, task="word")
    row = lost_abilities(scores, pd.DataFrame(rows))[0]
    assert row["errors_from"] == "items"
    assert row["lost"] == pytest.approx(correct.mean(1)[4] - correct.mean(1)[-1])
    paired = row["lost_high"] - row["lost_low"]
    unpaired = lost_abilities(scores, NO_SAMPLES)[0]
    assert paired < 0.8 * (unpaired["lost_high"] - unpaired["lost_low"])


def test_a_model_that_guesses_well_by_luck_at_first_has_not_lost_it():
    lucky = curve(np.r_[0.9, np.linspace(0.3, 0.7, 40)])
    assert lost_abilities(lucky, NO_SAMPLES)[0]["best_step"] == 41000
