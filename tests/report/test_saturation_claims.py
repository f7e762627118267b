"""The claims about saturation: on the paper's own curves, on tables with known answers, and their tests themselves."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lm_saturation.claims import CLAIMS
from lm_saturation.claims.base import HERE, PAPER, PUBLISHED
from lm_saturation.claims.saturation import trained_enough
from lm_saturation.evidence.paper_curves import loss_errors, minimum_losses
from lm_saturation.evidence.paper_saturation import WIDTHS, both_figures, singular_entropies, word_perplexities
from lm_saturation.io.tables import table_columns
from lm_saturation.report.tables.saturation import saturation_table
from lm_saturation.saturation.model_saturation import model_rows
from lm_saturation.saturation.onset_correlation import correlation_rows
from lm_saturation.saturation.onset_timing import nearer_by_chance, timing_p_values, timing_power
from lm_saturation.saturation.onsets import steepest_rise
from lm_saturation.statistics.data_fission import increase_of_estimates
from tests.conftest import RESOURCES
from tests.report.judging import empty, judged, published_figures
from tests.report.suite_tables import layer_metrics, published_pythia, sequence_losses

FIGURES = {name: pd.read_csv(RESOURCES / f"figure_{name}_published.csv") for name in ("1a", "1b", "2", "3", "5")}
LOST = list(table_columns("ability_saturation"))


def tables_of(metrics, noise=0.001):
    """table_saturation and onset_correlation, as the rules would write them."""
    groups = metrics.groupby(["suite", "model"], sort=False)
    rows = [row for _, one in groups for row in model_rows(one, sequence_losses(one, noise=noise))]
    saturation = pd.DataFrame(rows, columns=list(table_columns("saturation")))
    correlation = pd.DataFrame(correlation_rows(saturation), columns=list(table_columns("onset_correlation")))
    return saturation_table(saturation, metrics, layer_metrics(metrics)), correlation


@pytest.fixture(scope="module")
def pythia():
    """The paper's five models as if they had been measured here, on many tokens: their losses are those of Fig 1a."""
    return tables_of(published_pythia())


def verdicts(table, correlation, source=HERE):
    rows = judged({"saturation": table, "onset_correlation": correlation}, source)
    return {name: (row["verdict"], row["agreeing"], row["curves"]) for name, row in rows.items()}


def of_paper(**figures):
    rows = judged(published_figures() | figures, PAPER)
    return {name: (row["verdict"], row["agreeing"], row["curves"]) for name, row in rows.items()}


def test_the_papers_own_curves():
    found = of_paper()
    assert {
        name: found[name] for name in found if CLAIMS[name].evidence[PAPER].judge.__module__.endswith("saturation")
    } == {
        "small_models_saturate": ("inconclusive", 0, 5),  # the errors of 50,000 tokens
        "never_recovers": ("reproduced", 4, 4),
        "anisotropic_models_end_higher": ("inconclusive", 0, 4),
        "most_layers_anisotropic": ("in part", 18, 20),  # not Gemma-7B and OPT-125M
        "last_layer_dichotomy": ("in part", 18, 20),  # not GPT-2 medium and Gemma-2B
        "anisotropy_separates": ("reproduced", 5, 5),
        "anisotropy_rises_at_saturation": ("inconclusive", 0, 4),
        "singular_values_spike": ("reproduced", 4, 4),
        "singular_values_spike_at_saturation": ("inconclusive", 0, 4),
        "small_heads_degenerate": ("reproduced", 7, 7),
        "small_width_necessary": ("reproduced", 1, 1),  # 410M on WikiText
        "onsets_in_order": ("inconclusive", 0, 3),  # four models
    }


def test_the_same_curves_as_if_measured_here(pythia):
    assert verdicts(*pythia) == {
        "small_models_saturate": ("in part", 4, 5),  # 410M is best at its end
        "anisotropic_models_end_higher": ("yes", 4, 4),
        "most_layers_anisotropic": ("reproduced", 5, 5),
        "last_layer_dichotomy": ("reproduced", 5, 5),
        "anisotropy_separates": ("reproduced", 5, 5),
        "anisotropy_rises_at_saturation": ("inconclusive", 0, 4),
        "singular_values_spike": ("reproduced", 4, 4),
        "singular_values_spike_at_saturation": ("inconclusive", 0, 4),
        "small_heads_degenerate": ("reproduced", 5, 5),
        "onsets_in_order": ("inconclusive", 0, 3),
        "unigram_text_tells": ("not tested here", 0, 0),  # five models, whose loss on it is not published
        "degeneration_is_unseen": ("in part", 4, 5),  # made up: .3 nats centred in all of them
    }


def test_a_large_sample_would_have_decided():
    """Figure 1a as it is, from a hundred times as many tokens and read without error."""
    curves = FIGURES["1a"]
    middle = curves.loss_nats
    exact = curves.assign(
        loss_low=middle - (middle - curves.loss_low) / 10,
        loss_high=middle + (curves.loss_high - middle) / 10,
        loss_uncertainty=0.0,
    )
    assert of_paper(figure_1a=exact)["small_models_saturate"][:2] == ("in part", 3)
    falls = exact.assign(loss_nats=exact.groupby("model").loss_nats.cummin() - exact.step * 1e-6)
    assert of_paper(figure_1a=falls)["small_models_saturate"][0] == "contradicted"


def test_increases_of_figure_1a_have_the_errors_of_sample_and_reading():
    minima = minimum_losses(FIGURES["1a"]).set_index("model")
    assert minima.sampling_nats.between(0.013, 0.0155).all()  # "about ± 1 standard error over 50k tokens"
    one = FIGURES["1a"][FIGURES["1a"].model == "pythia-31m"].sort_values("step")
    errors = loss_errors(one)
    np.testing.assert_allclose(errors**2, ((one.loss_high - one.loss_low) / 2) ** 2 + (one.loss_uncertainty / 2) ** 2)
    low, high = increase_of_estimates(one.loss_nats.to_numpy(), errors)
    assert tuple(minima.loc["pythia-31m", ["increase_low", "increase_high"]]) == (low, high)
    assert minima.index[minima.increase_low > 0].tolist() == ["pythia-31m"]  # alone, and not of five


def test_figures_3_and_5_as_a_table():
    models = both_figures(FIGURES["3"], FIGURES["5"]).set_index("model")
    assert models.anisotropy_onset_step.dropna().to_dict() == {
        "pythia-14m": 42_000,
        "pythia-31m": 60_000,
        "pythia-70m": 61_000,
        "pythia-160m": 88_000,
    }
    assert models.singular_entropy_onset_step.dropna().tolist() == [40_000, 66_000, 67_000, 55_000]
    small = models.loc["pythia-160m"]
    assert small.best_step == 77_000
    assert small.difference == pytest.approx(np.log(33.44 / 30.47), abs=3e-4)  # Table 1: WikiText, best and final
    assert (models.difference_low > 0).tolist() == [True, True, True, True, False]
    assert models.singular_entropy_rise_start_step.dropna().tolist() == [58_000, 75_000, 85_000, 100_000]
    heads = FIGURES["1b"][FIGURES["1b"].checkpoint == "final"].set_index("model")
    widths = heads.head_parameters / 50304
    assert {model: int(widths[model]) for model in WIDTHS} == WIDTHS


def test_a_collapsed_head_and_a_flat_one():
    entropies = FIGURES["5"]
    flat = entropies.assign(singular_entropy=0.2)
    assert of_paper(figure_5=flat)["small_heads_degenerate"] == ("in part", 3, 7)  # the large ones
    assert of_paper(figure_5=flat)["singular_values_spike"] == ("contradicted", 0, 4)
    large = entropies.assign(singular_entropy=entropies.singular_entropy.where(entropies.model != "pythia-1b", 5.0))
    late = large.assign(singular_entropy=large.singular_entropy.where((large.step > 9_000), 0.5))
    assert of_paper(figure_5=late)["small_heads_degenerate"] == ("in part", 6, 7)
    steady = entropies.assign(singular_entropy=(entropies.step - 66_000).abs() / 10_000 + 0.2)
    assert of_paper(figure_5=steady)["singular_values_spike"] == ("contradicted", 0, 4)


def test_verdicts_follow_the_numbers(pythia):
    table, correlation = pythia
    large = table[table.model == "410m"]
    rises = large.assign(difference=0.1, difference_low=0.08, difference_high=0.12)
    assert verdicts(rises, correlation)["small_models_saturate"] == ("reproduced", 1, 1)
    wide = large.assign(difference=0.1, difference_low=-0.1, difference_high=0.3)
    assert verdicts(wide, correlation)["small_models_saturate"] == ("inconclusive", 0, 1)
    assert verdicts(large, correlation)["small_models_saturate"] == ("contradicted", 0, 1)
    assert verdicts(large, correlation)["anisotropy_separates"][2] == 0  # one kind only
    assert verdicts(table.assign(anisotropy_final=0.9), correlation)["anisotropy_separates"][:2] == ("in part", 4)
    open_ = table.assign(difference_low=-1.0, difference_high=1.0)
    assert verdicts(open_, correlation)["anisotropy_separates"][2] == 0  # nobody knows which saturate
    assert verdicts(open_, correlation)["singular_values_spike"] == ("inconclusive", 0, 4)
    never = table.assign(singular_entropy_onset_step=np.nan, singular_entropy_rise_start_step=np.nan)
    assert verdicts(never, correlation)["singular_values_spike"] == ("contradicted", 0, 4)
    assert verdicts(never, correlation)["singular_values_spike_at_saturation"] == ("contradicted", 0, 4)
    layers = table.assign(anisotropy_layers=[0.1, 0.3, 0.3, 0.3, 0.3])
    assert verdicts(layers, correlation)["most_layers_anisotropic"] == ("in part", 4, 5)
    early = layers.assign(tokens_per_parameter=[0.3, 19, 20, 30, np.nan])
    assert verdicts(early, correlation)["most_layers_anisotropic"] == ("reproduced", 3, 3)
    assert verdicts(early, correlation)["last_layer_dichotomy"][2] == 3


def test_onsets_are_held_against_chance(pythia):
    table, correlation = pythia
    at = table.assign(anisotropy_onset_step=table.best_step * 1.02)
    assert verdicts(at, correlation)["anisotropy_rises_at_saturation"] == ("reproduced", 4, 4)
    late = table.assign(anisotropy_onset_step=3 * table.best_step)
    assert verdicts(late, correlation)["anisotropy_rises_at_saturation"] == ("contradicted", 0, 4)
    without = at.assign(anisotropy_onset_step=at.anisotropy_onset_step.where(at.model != "14m"))
    assert verdicts(without, correlation)["anisotropy_rises_at_saturation"] == ("in part", 3, 4)  # it counts against


def test_a_factor_of_two_in_the_middle_holds_most_of_a_training():
    """143 steps, the best at 71,500: from 35,750 on, 79 % of what follows warm-up."""
    half = nearer_by_chance(np.array([143_000.0]), np.array([71_500.0]), np.array([143_000.0]), np.zeros(1))
    assert half[0] == pytest.approx((143_000 - 35_750) / (0.95 * 143_000)) == pytest.approx(0.79, abs=0.002)


def test_the_share_by_chance_is_a_count_of_steps():
    last, best, onset = 143_000.0, 46_000.0, 61_000.0
    steps = np.arange(0.05 * last, last, 0.5)
    nearer = np.abs(np.log(steps / best)) <= np.log(onset / best)
    found = nearer_by_chance(np.array([onset]), np.array([best]), np.array([last]), np.zeros(1))
    assert found[0] == pytest.approx(nearer.mean(), abs=1e-4)
    assert nearer_by_chance(np.array([np.nan]), np.array([best]), np.array([last]), np.zeros(1))[0] == 1
    chances = np.array([0.1, 0.2, 0.5])
    assert timing_p_values(chances) == pytest.approx(stats.combine_pvalues(chances).pvalue)


def test_timing_by_chance_is_seldom_found():
    """Onsets drawn evenly from the checkpoints of a training find something at most as often as the level says."""
    random = np.random.default_rng(5)
    last = np.full(4, 143_000.0)
    best = np.array([35_000.0, 50_000, 50_000, 75_000])
    onsets = random.integers(8, 144, (20_000, 4)) * 1000.0
    found = timing_p_values(nearer_by_chance(onsets, best, last, np.full(4, 1000.0))) <= 0.025
    assert found.mean() < 0.025 + 3 * np.sqrt(0.025 * 0.975 / 20_000)
    near = timing_power(1.05, best, last, np.full(4, 1000.0), 0.025)
    assert timing_power(2, best, last, np.full(4, 1000.0), 0.025) < 0.2 < 0.99 < near


@pytest.mark.parametrize("seed", range(5))
def test_the_steepest_rise_is_that_of_all_pairs(seed):
    random = np.random.default_rng(seed)
    steps = np.cumsum(random.integers(1, 50, 30))
    values = np.cumsum(random.normal(0.3, 1, 30))
    values = np.append(values.min() - 1, values)
    steps = np.append(0, steps)
    size = 1.5
    pairs = [
        (b - a, a) for i, a in enumerate(steps) for j, b in enumerate(steps) if j > i and values[j] - values[i] > size
    ]
    found = steepest_rise(steps, values, size)
    assert found["rise_steps"] == min(pairs)[0]
    assert (found["rise_steps"], found["rise_start_step"]) in pairs
    assert found["rise_steps_low"] <= found["rise_steps"]


def test_a_rise_between_two_checkpoints_may_be_any_steeper():
    found = steepest_rise(np.array([0, 10, 20, 30]), np.array([0.0, 0, 5, 5]), 1.0)
    assert found == {"rise_start_step": 10, "rise_steps": 10, "rise_steps_low": 0}
    slow = steepest_rise(np.arange(0, 1001, 10), np.arange(101) / 100, 0.1)
    assert 80 <= slow["rise_steps_low"] <= 100 <= slow["rise_steps"] <= 110  # a tenth of 1000 steps


def test_layers_are_those_of_figure_2(pythia):
    table, _ = pythia
    published = {"14m": 0.9863, "410m": 0.1973}
    for model, last in published.items():
        row = table[table.model == model].iloc[0]
        assert row.anisotropy_layers == np.median([0.3, last])  # layers 1 and 2, without the embedding


@pytest.mark.parametrize(
    "change", [{"late_checkpoints": 9}, {"tokens_per_parameter": np.nan}, {"parameters": 5 * 10**8}]
)
def test_too_few_checkpoints_or_tokens_test_nothing(change, pythia):
    table, correlation = pythia
    assert verdicts(table.assign(**change), correlation)["small_models_saturate"][2] == 0


def test_models_are_judged_where_the_papers_saturate():
    table = pd.DataFrame({"parameters": [1000, 14_067_712, 70_426_624], "tokens_per_parameter": [5300.0, 5200, 1480]})
    assert trained_enough(table).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("models", "spearman", "p_value", "answer", "power"),
    [
        (6, 0.9, 0.01, ("yes", 3), None),
        (6, 0.9, 0.04, ("inconclusive", 0), None),  # not of three
        (6, -0.9, 0.01, ("no", 0), None),
        (4, 1.0, 2 / 24, ("inconclusive", 0), 0),  # no order of four could pass
    ],
)
def test_the_order_of_onsets(pythia, models, spearman, p_value, answer, power):
    table, correlation = pythia
    given = correlation.assign(models=models, spearman=spearman, p_value=p_value)
    row = judged({"saturation": table, "onset_correlation": given})["onsets_in_order"]
    assert (row["verdict"], row["agreeing"]) == answer
    assert row["power"] == power


def lost(**columns):
    row = dict.fromkeys(LOST, 0) | {"suite": "pythia-v1", "task": "lambada_openai", "metric": "perplexity"}
    row |= {"model": "1b", "hidden_size": 2048, "lost": 0.01, "lost_low": -0.05, "lost_high": 0.06}
    return row | columns


def test_wide_models_keep_what_they_can():
    def verdict(*rows, source=PUBLISHED, name="small_width_necessary"):
        row = judged({"ability_saturation": pd.DataFrame(rows)}, source)[name]
        return row["verdict"], row["agreeing"], row["curves"]

    assert verdict(lost(), lost(model="70m", hidden_size=512, lost_low=0.4, lost_high=0.6)) == ("reproduced", 1, 1)
    assert verdict(lost(), lost(lost_low=-0.2, lost_high=0.4)) == ("in part", 1, 2)
    assert verdict(lost(lost_low=0.1, lost_high=0.4)) == ("contradicted", 0, 1)
    assert verdict(lost(suite="mine")) == ("not tested here", 0, 0)
    assert verdict(lost(suite="mine"), source=HERE) == ("reproduced", 1, 1)
    accuracies = [
        lost(metric="acc", task=task, num_fewshot=shots, lost=0.01, lost_low=middle - 0.03, lost_high=middle + 0.03)
        for task, middle in (("lambada_openai", 0.0), ("sciq", 0.01), ("arc_easy", -0.01), ("wsc", 0.5))
        for shots in (0, 5)
    ]
    known = {"ability_saturation": pd.DataFrame(accuracies)}
    row = judged(known, PUBLISHED)["small_width_necessary_accuracy"]
    assert (row["verdict"], row["curves"], row["ours"]) == ("reproduced", 1, pytest.approx(0.01))
    assert (row["ours_low"], row["ours_high"]) == pytest.approx((-0.03 / np.sqrt(3), 0.03 / np.sqrt(3)))


def test_nothing_is_judged_on_nothing():
    tables = {name: empty(name) for name in ("saturation", "onset_correlation", "ability_saturation")}
    for source in (HERE, PUBLISHED):
        rows = judged(tables, source)
        assert rows
        for name in tables:
            assert all(rows[claim]["verdict"] == "not tested here" for claim in rows if CLAIMS[claim].tables == [name])


def test_entropies_are_read_with_their_errors():
    heads = singular_entropies(FIGURES["5"])
    assert (heads.singular_entropy_error < 0.01).all()
    assert len(word_perplexities(FIGURES["3"])) == 5
