"""Points of performance against loss, and the parameters that a tipping point takes."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lm_saturation.abilities.emergence import (
    emergence_fit,
    emergence_sizes,
    noise_share,
    parameters_needed,
    spearman_interval,
    tokens_seen,
    trained,
)
from lm_saturation.abilities.loss_points import ALL_SUITES, measured_points

LAW = {"suite": "s", "parameters_counted": "total", "constants": "free"}
LAWS = pd.DataFrame([{**LAW, "A": 100.0, "alpha": 0.5, "B": 10.0, "beta": 0.5, "E": 1.0}])
KEYS = {"family": "s", "loss_measure": "held_out", "task": "t", "num_fewshot": 0, "metric": "acc"}
FIT = {**KEYS, "kinked": 1, "tipping_point": 2.1, "tipping_point_low": 1.05, "tipping_point_high": 3.1}


def test_parameters_that_reach_a_tipping_point():
    row = next(parameters_needed(FIT, LAWS, 10_000.0))
    assert row["loss_limit_nats"] == pytest.approx(1.1)
    assert row["parameters_needed"] == pytest.approx(100.0**2)  # L = 1.1 + 100 / √N
    assert row["parameters_needed_low"] == pytest.approx(50.0**2)
    assert row["parameters_needed_high"] is None  # no size reaches 1.05
    assert not list(parameters_needed(FIT | {"loss_measure": "lambada"}, LAWS, 1e4))


def test_parameters_are_needed_only_of_families_whose_tokens_are_known():
    fits = [FIT, FIT | {"family": "other"}]
    assert [row["family"] for row in emergence_sizes(fits, LAWS, {"s": 1e4})] == ["s"]
    assert emergence_sizes(fits, LAWS, {"s": float("nan")}) == []
    metrics = pd.DataFrame({"suite": ["s", "s"], "tokens": [5, 7]})
    assert tokens_seen(metrics) == {"s": 7}
    assert tokens_seen(metrics[:0]) == {}


def test_measured_points_leave_out_duplicates_and_likelihoods():
    scores = pd.DataFrame({"suite": "s", "model": "m", "step": [1, 1, 2], "metric": ["acc", "perplexity", "acc"]})
    metrics = pd.DataFrame({"suite": "s", "model": "m", "step": [1, 2], "duplicate_of": [np.nan, 1.0]})
    metrics = metrics.assign(cross_entropy_nats=[3.0, 3.0], cross_entropy_error=[np.nan, 0.1], bits_per_byte=1.0)
    metrics = metrics.assign(vocabulary_size=[400, 400])
    (point,) = measured_points(scores, metrics).to_dict("records")
    assert (point["step"], point["metric"], point["loss"], point["loss_error"]) == (1, "acc", 3.0, 0.0)
    assert (point["family"], point["loss_measure"], point["unit"]) == ("s", "held_out", "nats/token")


@pytest.mark.parametrize(("models", "points", "slope"), [(4, 5, 1), (5, 2, 1), (5, 5, 0)])
def test_too_few_points_or_a_flat_score_are_not_fitted(models, points, slope):
    losses = np.tile(np.linspace(3, 4, points), models)
    rows = pd.DataFrame({**KEYS, "suite": "s", "model": np.repeat([f"m{n}" for n in range(models)], points)})
    rows = rows.assign(loss=losses, value=slope * losses, parameters=1e6, chance=0.25, stderr=0.01)
    assert emergence_fit(rows, 5) is None


def test_suites_with_different_tokenizers_compare_by_bits_per_byte():
    scores = pd.DataFrame({"suite": ["a", "b"], "model": "m", "step": 1, "metric": "acc"})
    metrics = pd.DataFrame({"suite": ["a", "b"], "model": "m", "step": 1, "duplicate_of": np.nan})
    metrics = metrics.assign(cross_entropy_nats=[3.0, 2.0], cross_entropy_error=[0.3, 0.2], bits_per_byte=[1.0, 1.1])
    assert set(measured_points(scores, metrics.assign(vocabulary_size=400)).loss_measure) == {"held_out"}
    points = measured_points(scores, metrics.assign(vocabulary_size=[400, 800]))
    together = points[points.loss_measure == "bits_per_byte"]
    assert together.loss.tolist() == pytest.approx([1.0, 1.1])
    assert together.loss_error.tolist() == pytest.approx([0.1, 0.11])
    assert (set(together.family), set(together.unit)) == ({ALL_SUITES}, {"bits/byte"})


def test_checkpoints_count_from_the_end_of_the_warm_up():
    points = pd.DataFrame({"suite": "s", "model": ["a", "a", "a", "b", "b"], "step": [0, 10, 1000, 10, 100]})
    assert trained(points).step.tolist() == [10, 1000, 10, 100]


def test_noise_is_the_share_of_the_variance_that_items_explain():
    random = np.random.default_rng(0)
    truth = 0.2 * random.standard_normal(20_000)
    y = truth + 0.1 * random.standard_normal(20_000)
    assert noise_share(y, np.full(20_000, 0.1)) == pytest.approx(0.2, abs=0.01)
    assert noise_share(y, np.full(20_000, np.nan)) is None


def correlated(random, models):
    """Losses and scores of models with an offset each."""
    number = np.repeat(np.arange(models), 20)
    losses = random.uniform(2, 4, len(number))
    offsets = 0.15 * random.standard_normal(models)
    return losses, offsets[number] - losses + 0.1 * random.standard_normal(len(number)), number


def test_the_interval_of_a_rank_correlation_covers_that_of_many_models():
    random = np.random.default_rng(1)
    truth = stats.spearmanr(*correlated(random, 5000)[:2]).statistic
    covered, halves = [], []
    for _ in range(150):
        value, low, high = spearman_interval(*(data := correlated(random, 12)))
        assert value == pytest.approx(stats.spearmanr(*data[:2]).statistic)
        covered.append(low <= truth <= high)
        halves.append((high - low) / 2)
    assert np.mean(covered) >= 0.88  # docs/statistics.md has the rates: .89 to .94
    values = [stats.spearmanr(*correlated(random, 12)[:2]).statistic for _ in range(150)]
    assert np.mean(halves) == pytest.approx(2.2 * np.std(values), rel=0.3)  # Student's t of 11 degrees of freedom
    losses, _, models = correlated(random, 12)
    assert spearman_interval(losses, -losses, models)[1:] == (None, None)  # no error to be had without scatter


def test_a_fit_holds_every_shift_that_can_be_known():
    random = np.random.default_rng(2)
    rows = pd.DataFrame(
        {**KEYS, "suite": np.repeat(["a", "b"], 60), "model": np.repeat([f"m{n}" for n in range(6)], 20)}
    )
    rows = rows.assign(loss=random.uniform(2, 4, 120), parameters=1e6, tokens=np.nan, chance=0.25, stderr=0.01)
    rows = rows.assign(value=1 - 0.2 * (rows.loss - 0.3 * (rows.suite == "b")))
    fit = emergence_fit(rows, 5)
    assert (fit["size_shift"], fit["token_shift"]) == (None, None)  # one size, and unknown tokens
    assert fit["suite_shift"] == pytest.approx(0.3, abs=0.01)
    assert fit["slope_above"] == pytest.approx(-0.2, abs=0.05)
