"""Metrics of multiple choice, by hand."""

import numpy as np
import pandas as pd
import pytest

from lm_saturation.abilities.choice_metrics import choice_probabilities, item_metrics, item_values, sample_metrics


def metrics(probabilities, correct, lengths=None):
    """Of one item whose choices have these probabilities among all texts."""
    log = np.log(np.array([probabilities], float))
    right = np.arange(len(probabilities))[None] == correct
    lengths = np.ones_like(log) if lengths is None else np.array([lengths], float)
    return {name: float(values[0]) for name, values in item_metrics(log, right, lengths).items()}


def test_by_hand():
    values = metrics([0.1, 0.2, 0.05, 0.05], correct=1)
    assert values["acc"] == 1
    assert values["correct_choice_prob"] == pytest.approx(0.5)
    assert values["correct_choice_prob_vocabulary"] == pytest.approx(0.2)
    assert values["brier"] == pytest.approx(0.25**2 + 0.5**2 + 2 * 0.125**2)
    assert (values["chance"], values["chance_brier"]) == pytest.approx((0.25, 0.75))


def test_guessing_has_the_scores_of_chance():
    values = metrics([0.01] * 4, correct=2)
    assert values["correct_choice_prob"] == pytest.approx(values["chance"])
    assert values["brier"] == pytest.approx(values["chance_brier"]) == pytest.approx(0.75)
    assert metrics([0.3, 0.3], correct=0)["chance_brier"] == pytest.approx(0.5)


def test_length_decides_only_in_acc_norm():
    values = metrics([0.1, 0.09], correct=1, lengths=[1, 10])
    assert (values["acc"], values["acc_norm"]) == (0, 1)


def test_items_with_fewer_choices_are_judged_by_these():
    log = np.log(np.array([[0.1, 0.2, 0.3, 0.4], [0.2, 0.1, 1, 1]]))
    log[1, 2:] = -np.inf
    right = np.zeros((2, 4), bool)
    right[:, 0] = True
    values = item_metrics(log, right, np.ones((2, 4)))
    np.testing.assert_allclose(values["chance"], [0.25, 0.5])
    np.testing.assert_allclose(values["correct_choice_prob"], [0.1, 2 / 3])
    np.testing.assert_allclose(values["brier"][1], 2 / 9)
    np.testing.assert_allclose(choice_probabilities(log).sum(1), 1)


def test_very_unlikely_choices_do_not_vanish():
    np.testing.assert_allclose(choice_probabilities(np.array([[-2000.0, -2001.0]]))[0, 0], 1 / (1 + np.exp(-1)))


def rows(step, values, **more):
    return pd.DataFrame(
        {"step": step, "item": range(len(values)), "choice": 0, "correct": 1, "log_probability_nats": values}
        | {"greedy": 1, "characters": 4}
        | more
    )


def test_a_word_to_guess_and_a_text_to_read():
    word = rows(1, np.log([0.5, 0.25]), greedy=[1, 0])
    np.testing.assert_allclose(sample_metrics(word)["acc"], [1, 0])
    np.testing.assert_allclose(sample_metrics(word)["correct_choice_prob_vocabulary"], [0.5, 0.25])
    assert sample_metrics(rows(1, [-100.0], greedy=None)) == {}
    both = pd.concat([word, rows(2, np.log([0.1, 0.2]))])
    assert item_values(both, "acc").to_numpy().tolist() == [[1, 0], [1, 1]]
    assert item_values(both, "perplexity") is None
