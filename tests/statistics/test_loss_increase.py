"""Intervals of the increase from the best step to the last: they cover the truth, and find none where there is none."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.coverage_loss_increase import Simulation, judged
from lm_saturation.statistics.data_fission import increase_of_estimates
from lm_saturation.statistics.loss_increase import loss_increase


def simulated(random, curve, sequences=100, noise=0.1):
    """(steps, sequences) losses around a curve: an offset of each sequence, and noise of each checkpoint."""
    shared = random.normal(0, 0.5, sequences)
    return np.asarray(curve)[:, None] + shared + random.normal(0, noise, (len(curve), sequences))


def test_intervals_cover_the_true_increase():
    random = np.random.default_rng(1)
    curve = np.concatenate([np.linspace(1, 0, 10), np.linspace(0, 0.1, 20)])
    tokens = np.full(100, 128.0)
    intervals = [loss_increase(simulated(random, curve), tokens, samples=300, seed=seed) for seed in range(200)]
    covered = np.mean([low <= 0.1 <= high for low, high in intervals])
    assert 0.91 <= covered <= 1
    assert all(low > 0 for low, _ in intervals)


def test_choosing_the_best_step_finds_no_increase_where_there_is_none():
    random = np.random.default_rng(2)
    curve = np.concatenate([np.linspace(1, 0, 10), np.zeros(40)])
    tokens = np.full(60, 128.0)
    data = [simulated(random, curve, 60) for _ in range(150)]
    false = np.mean([loss_increase(losses, tokens, samples=300, seed=seed)[0] > 0 for seed, losses in enumerate(data)])
    naive = [losses[-1] - losses[losses.mean(1).argmin()] for losses in data]
    biased = np.mean([stats.ttest_1samp(increase, 0, alternative="greater").pvalue < 0.025 for increase in naive])
    assert false <= 0.05
    assert biased > 0.15  # without the two halves, though .025 is nominal


def test_the_same_seed_gives_the_same_interval_and_few_units_none():
    steps = np.arange(0, 2001, 100)
    curve = 4 + np.exp(-steps / 200) + np.where(steps > 1000, (steps - 1000) * 1e-4, 0)
    losses = simulated(np.random.default_rng(3), curve)
    tokens = np.ones(100)
    assert loss_increase(losses, tokens) == loss_increase(losses, tokens)
    assert loss_increase(losses[:, :3], tokens[:3]) == (None, None)


def documents_of(random, documents=12, pieces=4):
    """(steps, pieces) losses, tokens and documents of pieces; in every document the pieces are alike."""
    clusters = np.repeat(np.arange(documents), pieces)
    values = simulated(random, np.r_[1.0, 0.0, 0.1, 0.2], documents)[:, clusters]
    return values, random.integers(1, 9, documents).astype(float)[clusters], clusters


def test_a_document_of_one_piece_is_a_unit():
    values, tokens, _ = documents_of(np.random.default_rng(5), 40, 1)
    names = np.arange(40) * 7 + 3  # numbers of documents are only names
    assert loss_increase(values, tokens, names) == loss_increase(values, tokens)


def test_more_pieces_of_the_same_documents_say_no_more():
    values, tokens, clusters = documents_of(np.random.default_rng(6))
    once = loss_increase(values[:, ::4], tokens[::4])
    assert loss_increase(values, tokens, clusters) == pytest.approx(once, abs=1e-12)
    low, high = loss_increase(values, tokens)  # as if pieces were independent
    assert high - low < 0.7 * (once[1] - once[0])
    order = np.random.default_rng(0).permutation(values.shape[1])
    assert loss_increase(values[:, order], tokens[order], clusters[order]) == pytest.approx(once, abs=1e-12)
    assert loss_increase(values, tokens, clusters % 3) == (None, None)  # three documents


def test_the_interval_is_that_of_a_bootstrap_written_out():
    """Another generator and loops: the same distribution, so the ends agree to the error of the bootstrap."""
    random = np.random.default_rng(7)
    values, tokens, clusters = documents_of(random)
    values = values + random.normal(0, 0.1, values.shape)
    increases = []
    for _ in range(4000):
        order = random.permutation(12)
        means = []
        for half in (order[:6], order[6:]):
            drawn = [piece for document in random.choice(half, 6) for piece in np.flatnonzero(clusters == document)]
            means.append([np.average(step, weights=tokens[drawn]) for step in values[:, drawn]])
        best = [int(np.argmin(half)) for half in means]
        increases.append(np.mean([half[-1] - half[step] for half, step in zip(means, best[::-1], strict=True)]))
    totals = np.bincount(clusters, tokens)
    number = totals.sum() ** 2 / (totals**2).sum()
    wider = stats.norm.cdf(np.sqrt(number / (number - 2)) * stats.t.ppf(0.975, number - 2))
    expected = np.quantile(increases, [1 - wider, wider])
    found = loss_increase(values, tokens, clusters, samples=4000)
    assert found == pytest.approx(expected, abs=0.1 * (expected[1] - expected[0]))  # 0.4 % tails of 4000 are rough


@pytest.mark.parametrize("documents", [27, 100])
def test_coverage_with_documents(documents):
    """A short run of benchmarks/coverage_loss_increase.py; bounds leave two standard errors of 150 runs."""
    found = {increase: judged(Simulation(documents, increase=increase), 150, samples=300) for increase in (0.0, 0.05)}
    assert found[0.0].positive <= 0.05
    assert all(rates.covered >= 0.93 - 0.04 for rates in found.values())
    sequences = judged(Simulation(documents), 60, samples=300, by_document=False)
    assert sequences.positive > 0.1  # sequences are not independent
    assert sequences.covered < 0.9


@pytest.mark.parametrize("error", [0.01, 0.03])
def test_estimates_with_errors_are_judged_as_safely(error):
    random = np.random.default_rng(4)
    flat = np.concatenate([np.linspace(1, 0, 10), np.zeros(17)])
    increasing = np.concatenate([np.linspace(1, 0, 10), np.linspace(0, 0.1, 17)])
    errors = np.full(27, error)
    noise = error * random.standard_normal((300, 27))
    false = [increase_of_estimates(flat + draw, errors, 300, seed)[0] > 0 for seed, draw in enumerate(noise)]
    intervals = np.array(
        [increase_of_estimates(increasing + draw, errors, 300, seed) for seed, draw in enumerate(noise)]
    )
    assert np.mean(false) <= 0.02
    assert np.mean((intervals[:, 0] <= 0.1) & (intervals[:, 1] >= 0.1)) >= 0.95
    naive = [(curve[-1] - curve.min()) > 1.96 * np.sqrt(2) * error for curve in flat + noise]
    assert np.mean(naive) > 0.1  # the same without halves
