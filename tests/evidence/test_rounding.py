"""The cost of rounding: against torch's floats, by sampling, on logits of a model, and on published trainings."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from transformers import AutoModelForCausalLM, GPTNeoXConfig

from lm_saturation.claims.evidence import MINIMUM_TRAININGS
from lm_saturation.evidence.rounding import head_collapse, rounded, rounding_cost, rounding_pairs
from lm_saturation.statistics.intervals import correlation_interval
from tests.conftest import RESOURCES
from tests.report.judging import judged

TRAININGS = pd.read_csv(RESOURCES / "output_embeddings.csv")
DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}


@pytest.mark.parametrize("kind", DTYPES)
def test_values_are_rounded_as_torch_does(kind):
    values = np.random.default_rng(0).normal(0, 300, 100_000).astype(np.float32).astype(float)
    values = np.append(values[np.abs(values) > 1e-3], [1.0, -2.0, 0.0, 1 + 2.0**-8, 1 + 2.0**-11, 3 + 2.0**-7])
    expected = torch.from_numpy(values).to(DTYPES[kind]).double().numpy()
    np.testing.assert_array_equal(rounded(values, kind), expected)


@pytest.mark.parametrize(("kind", "offset"), [("float16", 700), ("float16", 3000), ("bfloat16", 300), ("bfloat16", 20)])
def test_the_cost_is_what_sampled_logits_lose(kind, offset):
    """40 rows of Gaussian logits, their next tokens drawn from their softmax; all sums in float64."""
    random = np.random.default_rng(0)
    losses = []
    for _ in range(40):
        logits = random.normal(0, 2.2, 50_304)
        noisy = torch.from_numpy(logits + offset).to(DTYPES[kind]).double()
        p = torch.from_numpy(logits).softmax(0)
        losses.append(float((p * (torch.from_numpy(logits).log_softmax(0) - noisy.log_softmax(0))).sum()))
    assert rounding_cost(offset, 2.2, kind) == pytest.approx(np.mean(losses), rel=0.05, abs=3e-4)


@pytest.mark.parametrize("offset", [50, 200, 800])
def test_the_logits_of_a_model_with_an_offset_added_lose_as_much(offset):
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=5000, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128
    )
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        logits = model(torch.randint(5000, (2, 64))).logits.double().flatten(0, 1)
    logits = (logits - logits.mean(1, keepdim=True)) * (2.5 / logits.std())  # as spread as those of trained models
    p = logits.softmax(1)
    exact, noisy = (values.log_softmax(1) for values in (logits, (logits + offset).bfloat16().double()))
    lost = float((p * (exact - noisy)).sum(1).mean())
    assert rounding_cost(offset, 2.5, "bfloat16", 5000) == pytest.approx(lost, rel=0.15)


def test_published_trainings():
    pairs = rounding_pairs(TRAININGS)
    assert len(pairs) == 35
    assert np.corrcoef(pairs.lost, pairs.predicted)[0, 1] == pytest.approx(0.95, abs=0.02)
    place = pairs[(pairs.size_millions == 16) & (pairs.peak_learning_rate == 0.1)].iloc[0]
    assert (place.logit_offset, round(place.lost, 2)) == (588, 0.43)
    assert place.predicted == pytest.approx(0.57, abs=0.03)
    misfits = pairs[pairs.fits == 0]
    assert misfits[["size_millions", "peak_learning_rate"]].to_numpy().tolist() == [[109, 0.1], [221, 0.03]]


def test_the_most_degenerate_heads_lose_nothing():
    collapse = head_collapse(TRAININGS)
    assert len(collapse) == 35
    assert (collapse.most_share <= collapse.least_share).all()
    row = collapse[(collapse.size_millions == 16) & (collapse.peak_learning_rate == 0.01)].iloc[0]
    assert (row.most, row.most_share) == ("zloss", 0.12)
    assert row.difference < 0
    found = judged({"head_collapse": collapse, "rounding_pairs": rounding_pairs(TRAININGS)}, "published runs")
    assert found["collapse_costs_loss"]["verdict"] == "no"
    assert found["offsets_cost_what_rounding_costs"]["verdict"] == "yes"


@pytest.mark.parametrize(("ranks", "trainings"), [(True, 40), (False, 40), (True, MINIMUM_TRAININGS)])
def test_a_correlation_has_its_value_and_its_coverage(ranks, trainings):
    """Normal pairs of correlation .8: scipy's value, and an interval that holds the truth 95 times in a hundred."""
    random = np.random.default_rng(0)
    truth = 6 / np.pi * np.arcsin(0.4) if ranks else 0.8
    covered = []
    for _ in range(200):
        first, second = random.standard_normal((2, trainings))
        pairs = np.stack([first, 0.8 * first + 0.6 * second], axis=1)
        value, low, high = correlation_interval(pairs, ranks, samples=400)
        covered.append(low <= truth <= high)
    expected = (stats.spearmanr if ranks else stats.pearsonr)(*pairs.T).statistic
    assert value == pytest.approx(expected)
    assert np.mean(covered) > 0.91
