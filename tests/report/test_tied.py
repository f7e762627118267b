"""Figures, tables and claims of tied embeddings, on tables with known answers."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lm_saturation.claims import CLAIMS, Context
from lm_saturation.claims.base import HERE, NOT_TESTED, SHIPPED, SU
from lm_saturation.figures.remedy_panels import LOOKS, POSITIVE, in_order, over_seeds
from lm_saturation.io.tables import read_csv, table_columns, write_csv
from lm_saturation.report.tables.tied_training import training_table
from lm_saturation.statistics.intervals import mean_interval
from lm_saturation.tied.formulas import expected_loss, su_2023_loss
from lm_saturation.tied.remedies import REMEDIES
from scripts.report import figure_tied_convergence, figure_tied_end, figure_tied_initial_loss, figure_tied_saturation
from scripts.tied.tied_comparison import comparison_rows, run_rows
from tests.report.judging import empty, judged
from tests.tied.runs import SETTING, rates_table
from tests.tied.runs import training_table as trained


def initial(off=0.0, size=50257, widths=(256, 1024), sigmas=(0.01, 0.02), above=0.01):
    """tied_initial_loss: plain tying as Su (2023) says, `off` a share of it more; remedies `above` log n, a share."""
    rows = []
    for width in widths:
        for name, remedy in REMEDIES.items():
            for sigma in sigmas if name != "scaled" else [math.log(size) / width]:
                formula = su_2023_loss(size, width, sigma) if name == "plain" else math.log(size)
                loss = formula * (1 + off) if name == "plain" else math.log(size) * (1 + above)
                expected = expected_loss(size, sigma * remedy.trace(width), width * sigma**2)
                keys = {"vocabulary_size": size, "width": width, "remedy": name, "sigma": sigma, "rows": 9}
                found = {
                    "loss_nats": loss,
                    "loss_error": 0.001,
                    "self_logit": 1.0,
                    "log_vocabulary_nats": math.log(size),
                }
                rows.append({**keys, **found, "su_2023_nats": formula, "expected_nats": expected})
    return pd.DataFrame(rows)


def moments(power=-1.0, mean=1.0, variance=1.0, error=0.01):
    """tied_moments: E[(w·v)²] a power of d, and E‖w‖² and Var‖w‖² as shares of theory; `error` a share of all."""
    rows = []
    for width in (16, 64, 256):
        keys = {"vocabulary_size": 2048, "width": width}
        found = {
            "inner_product_square": (width**power, 1 / width, width**-3),
            "squared_norm_mean": (mean, 1.0, None),
            "squared_norm_variance": (2 * variance / width, 2 / width, None),
        }
        for moment, (value, theory, su_2023) in found.items():
            row = {"moment": moment, "value": value, "error": error * value, "theory": theory, "su_2023": su_2023}
            rows.append({**keys, **row})
    return pd.DataFrame(rows)


def models(loss=10.95, error=0.03, sequences=8):
    rows = []
    for family in ("gpt_neox", "gpt2"):
        for layers in (0, 2):
            for tied in (1, 0):
                found = {"loss_nats": loss if layers else 15.0, "loss_error": error, "self_logit": 1.0}
                rows.append(
                    {"family": family, "tied": tied, "layers": layers, "width": 768, "vocabulary_size": 50257}
                    | {"sigma": 0.02, "sequences": sequences, "tokens": 256, "log_vocabulary_nats": 10.825}
                    | {"su_2023_nats": 15.37, "expected_nats": 15.37, "self_logit_nats": 10.98, **found}
                )
    return pd.DataFrame(rows)


def norms(change=0.001):
    """tied_norms: at σ = 0.5 LayerNorm changes the loss by that share."""
    rows = []
    for width in (16, 64):
        for sigma in (0.1, 0.5):
            found = {"rms_norm_nats": 10.0, "difference_nats": 10 * change * (sigma == 0.5), "difference_error": 0.001}
            keys = {"vocabulary_size": 2048, "width": width, "remedy": "plain", "sigma": sigma, "rows": 32}
            rows.append({**keys, **found, "layer_norm_nats": 10.0})
    return pd.DataFrame(rows)


def underflows(entries=0.005, gradients=0.8, width=1024):
    """tied_underflow of one size: at the remedy's σ so much of the embedding and of the gradient; usual: .0025, .8."""
    rows = []
    for remedy, sigma in (("plain", 0.02), ("scaled", math.log(50257) / width)):
        shares = (entries, gradients) if remedy == "scaled" else (0.0025, 0.8)
        for quantity, share in zip(("embedding", "head gradient"), shares, strict=True):
            for precision in ("float16", "bfloat16"):
                found = {"underflow_share": share if precision == "float16" else 0.5, "underflow_error": 0.0005}
                keys = {"vocabulary_size": 50257, "width": width, "remedy": remedy, "sigma": sigma}
                row = {"quantity": quantity, "precision": precision, "rows": 512, "zero_share": 0.0}
                rows.append({**keys, **row, **found})
    return pd.DataFrame(rows)


def language_models(share=0.002, error=0.0005, documents=100):
    """language_models: only what the claim reads."""
    known = {"train_documents": documents - 10, "held_out_documents": 10}
    return pd.DataFrame([{"corpus": "c", "tokenizer": "t", "repeat_share": share, "repeat_error": error, **known}])


NAMES = ("plain", "scaled", "untied", "swap", "shuffle")


def runs(scaled=0.0, swap=0.0, noise=0.0, seeds=3):
    """tied_training; `scaled` and `swap` are added to the late losses of these."""
    made, generator = {}, np.random.default_rng(0)
    for seed in range(seeds):
        for name in NAMES:
            late = {"scaled": scaled, "swap": swap}.get(name, 0.0) + noise * generator.normal()
            made[name, seed] = [8.0, 6.0 + late, 5.0 + late, 4.0 + late]
    return trained(made)


def summary(table, gain=None):
    """tied_runs; `gain`: the share of its final loss by which the first seed's model of half the steps ends higher."""
    finals = table[(table.seed == 0) & (table.step == table.step.max())].set_index("remedy").loss_nats
    halves = {} if gain is None else (finals * (1 + gain)).to_dict()
    return pd.DataFrame(list(run_rows(table, rates_table(halves))))


def comparison(table, gain=None):
    return pd.DataFrame(list(comparison_rows(summary(table, gain))))


def claims(table=None, gain=None, **given):
    """The claims about tied embeddings; tables that are not given are empty."""
    if table is not None:
        given["tied_comparison"] = comparison(table, gain)
    names = ("tied_initial_loss", "tied_moments", "tied_norms", "tied_underflow", "tied_models", "tied_comparison")
    found = judged({name: given.get(name, empty(name)) for name in (*names, "language_models")})
    return {name: row for name, row in found.items() if row["paper"] == SU}


def test_without_a_study_nothing_is_tested():
    found = claims()
    assert len(found) == 15
    assert {row["verdict"] for row in found.values()} == {NOT_TESTED}


def test_every_threshold_has_its_reason():
    made = [claim for claim in CLAIMS.values() if claim.paper == SU]
    assert all(claim.cut and claim.cut.reason for claim in made)


# the start


@pytest.mark.parametrize(("off", "agreeing", "verdict"), [(0.009, 2, "reproduced"), (0.02, 0, "contradicted")])
def test_the_formula_must_hold_at_every_sigma(off, agreeing, verdict):
    row = claims(tied_initial_loss=initial(off))["tied_initial_loss_formula"]
    assert (row["curves"], row["agreeing"], row["verdict"]) == (2, agreeing, verdict)
    assert row["ours"] == pytest.approx(-off / (1 + off))


def test_a_formula_that_noise_may_hide_is_open():
    losses = initial(0.009).assign(loss_error=0.1)
    row = claims(tied_initial_loss=losses)["tied_initial_loss_formula"]
    assert row["verdict"] == "inconclusive"
    assert row["power"] < 0.8


def test_one_sigma_is_enough_to_break_the_formula():
    losses = initial()
    at = (losses.remedy == "plain") & (losses.width == 1024) & (losses.sigma == 0.02)
    losses.loc[at, "loss_nats"] *= 1.1
    row = claims(tied_initial_loss=losses)["tied_initial_loss_formula"]
    assert (row["agreeing"], row["contradicting"], row["verdict"]) == (1, 1, "in part")


def test_the_furthest_sigma_is_one_of_several():
    """Its interval is Bonferroni's: with two σ, of 97.5 % each."""
    decisions = CLAIMS["tied_initial_loss_formula"].decide(HERE, {"tied_initial_loss": initial()})
    error = 0.001 / su_2023_loss(50257, 256, 0.01)
    assert decisions.curves.high[0] == pytest.approx(error * stats.t.isf(0.0125, 8), rel=1e-3)


@pytest.mark.parametrize(("change", "verdict"), [(0.001, "reproduced"), (-0.02, "contradicted")])
def test_layer_norm_changes_the_loss_at_some_sigma(change, verdict):
    row = claims(tied_norms=norms(change))["layer_norm_is_rms_norm"]
    assert (row["curves"], row["ours"], row["verdict"]) == (2, pytest.approx(change), verdict)


@pytest.mark.parametrize(
    ("share", "error", "verdict"),
    [(0.002, 0.0005, "reproduced"), (0.05, 0.001, "contradicted"), (0.008, 0.002, "inconclusive")],
)
def test_repeats_of_tokens(share, error, verdict):
    row = claims(language_models=language_models(share, error))["next_token_rarely_repeats"]
    assert (row["ours"], row["verdict"]) == (share, verdict)
    half = error * stats.t.isf(0.025, 99)
    assert (row["ours_low"], row["ours_high"]) == pytest.approx((share - half, share + half))


def test_repeats_in_made_text_and_in_a_single_document_say_nothing():
    one = language_models(error=math.nan, documents=1)
    assert claims(language_models=one)["next_token_rarely_repeats"]["verdict"] == "inconclusive"
    made = judged({"language_models": language_models()}, context=Context("100000", synthetic=("c",)))
    assert made["next_token_rarely_repeats"]["verdict"] == NOT_TESTED


@pytest.mark.parametrize(("power", "verdict"), [(-3.0, "reproduced"), (-1.0, "contradicted"), (-2.8, "inconclusive")])
def test_the_power_of_the_width(power, verdict):
    row = claims(tied_moments=moments(power, error=0.1))["tied_inner_product_moment"]
    assert (row["ours"], row["verdict"]) == (pytest.approx(power), verdict)
    assert row["ours_high"] - row["ours"] == pytest.approx(1.96 * 0.1 / math.sqrt(2) / math.log(4), rel=1e-4)
    one_width = moments().groupby("moment").head(1)
    assert claims(tied_moments=one_width)["tied_inner_product_moment"]["verdict"] == NOT_TESTED


def test_the_norms_of_embeddings_have_rows_of_their_own():
    found = claims(tied_moments=moments(variance=0.4))  # that of uniform entries
    assert (found["tied_norm_mean"]["verdict"], found["tied_norm_mean"]["curves"]) == ("reproduced", 3)
    assert found["tied_norm_variance"]["verdict"] == "contradicted"
    assert found["tied_norm_variance"]["ours"] == pytest.approx(-0.6)
    assert claims(tied_moments=moments(mean=1.1))["tied_norm_mean"]["verdict"] == "contradicted"


@pytest.mark.parametrize(("loss", "verdict"), [(12.5, "reproduced"), (10.95, "contradicted"), (11.83, "inconclusive")])
def test_real_models_are_judged_with_layers_and_tied(loss, verdict):
    row = claims(tied_models=models(loss))["tied_models_start_high"]
    assert (row["curves"], row["verdict"]) == (2, verdict)
    assert row["ours"] == pytest.approx(loss - 10.825)


def test_few_sequences_have_students_intervals():
    """0.1 nats above the cut is 3.3 standard errors: enough of many sequences, not of two."""
    found = [claims(tied_models=models(11.925, sequences=count)) for count in (100, 2)]
    assert [rows["tied_models_start_high"]["verdict"] for rows in found] == ["reproduced", "inconclusive"]


def test_remedies_are_judged_where_plain_tying_is_off():
    row = claims(tied_initial_loss=initial(above=0.02))["tied_remedies_start_low"]
    assert (row["curves"], row["agreeing"], row["verdict"]) == (7, 7, "reproduced")
    row = claims(tied_initial_loss=initial(above=0.07))["tied_remedies_start_low"]
    assert (row["agreeing"], row["verdict"]) == (0, "contradicted")
    assert claims(tied_initial_loss=initial(widths=(64,)))["tied_remedies_start_low"]["verdict"] == NOT_TESTED
    assert claims(tied_initial_loss=initial(sigmas=(0.03,)))["tied_remedies_start_low"]["verdict"] == NOT_TESTED


@pytest.mark.parametrize(("entries", "verdict"), [(0.005, "contradicted"), (0.02, "reproduced")])
def test_small_sigma_in_half_precision(entries, verdict):
    row = claims(tied_underflow=underflows(entries))["small_sigma_underflows"]
    assert (row["curves"], row["ours"], row["verdict"]) == (1, entries, verdict)
    wide = claims(tied_underflow=underflows(entries, width=64))  # where (log n)/d is no small σ
    assert wide["small_sigma_underflows"]["verdict"] == NOT_TESTED


@pytest.mark.parametrize(("gradients", "answer"), [(0.8, "no"), (0.95, "yes"), (0.9, "inconclusive")])
def test_gradients_at_a_small_sigma_are_held_against_those_at_the_usual_one(gradients, answer):
    row = claims(tied_underflow=underflows(gradients=gradients))["small_sigma_loses_gradients"]
    assert (row["ours"], row["verdict"]) == (pytest.approx(gradients - 0.8), answer)


# training


def test_claims_about_speed_can_hold():
    found = claims(runs(scaled=0.3))
    assert found["scaled_embedding_converges_slowest"]["verdict"] == "reproduced"
    assert found["scaled_embedding_converges_slowest"]["curves"] == 3
    assert found["scaled_embedding_converges_slowest"]["ours"] > 0
    assert found["other_remedies_converge_alike"]["verdict"] == "reproduced"


def test_claims_about_speed_can_fail():
    found = claims(runs(scaled=-0.3, swap=0.5))
    assert found["scaled_embedding_converges_slowest"]["verdict"] == "contradicted"
    assert found["other_remedies_converge_alike"]["verdict"] == "contradicted"


def test_noise_leaves_speed_open():
    found = claims(runs(noise=0.2))
    assert found["scaled_embedding_converges_slowest"]["verdict"] == "inconclusive"
    assert found["other_remedies_converge_alike"]["verdict"] == "inconclusive"
    assert found["other_remedies_converge_alike"]["power"] < 0.8


def test_models_that_do_not_reach_the_loss_are_not_alike():
    """Those with the small σ take at least so many steps; a remedy that never arrives cannot be compared."""
    assert claims(runs(scaled=2.0))["scaled_embedding_converges_slowest"]["verdict"] == "reproduced"
    found = claims(runs(scaled=2.0, swap=2.0))
    assert found["scaled_embedding_converges_slowest"]["curves"] == 2
    assert found["other_remedies_converge_alike"]["verdict"] == NOT_TESTED


def test_the_end_is_judged_only_if_training_has_flattened():
    ends = ("remedies_end_alike", "remedies_gain_nothing")
    assert {claims(runs())[name]["verdict"] for name in ends} == {NOT_TESTED}
    assert {claims(runs(), 0.03)[name]["verdict"] for name in ends} == {NOT_TESTED}
    assert {claims(runs(), 0.01)[name]["verdict"] for name in ends} == {"reproduced"}


def test_ends_that_differ_are_not_alike():
    found = claims(runs(scaled=0.3), 0.01)
    assert (found["remedies_end_alike"]["verdict"], found["remedies_end_alike"]["contradicting"]) == ("contradicted", 5)
    assert found["remedies_gain_nothing"]["verdict"] == "reproduced"


def test_a_remedy_that_gains_contradicts():
    row = claims(runs(swap=-0.3), 0.01)["remedies_gain_nothing"]
    assert (row["verdict"], row["agreeing"], row["contradicting"]) == ("in part", 3, 1)
    assert row["ours_maximum"] == pytest.approx(0.3 / 4)
    decisions = CLAIMS["remedies_gain_nothing"].decide(HERE, {"tied_comparison": comparison(runs(-1, -1), 0.01)})
    assert decisions.contradicts.sum() == 2


def test_noise_is_no_equality():
    """The interval of a gain that holds 0 and the margin says neither."""
    found = claims(runs(noise=0.2), 0.01)
    assert found["remedies_end_alike"]["verdict"] == "inconclusive"
    assert found["remedies_gain_nothing"]["verdict"] == "inconclusive"
    assert found["remedies_gain_nothing"]["power"] < 0.8


def test_one_seed_decides_nothing():
    assert claims(runs(seeds=1), 0.01)["remedies_end_alike"]["verdict"] == "inconclusive"
    assert claims(runs(scaled=0.3, seeds=1))["scaled_embedding_converges_slowest"]["verdict"] == "inconclusive"


# tables and figures


def test_every_remedy_has_a_name_and_looks_of_its_own():
    assert list(LOOKS) == list(REMEDIES)
    assert len({remedy.label for remedy in REMEDIES.values()}) == len(REMEDIES)
    assert len({(str(look["color"]), look["marker"], str(look["linestyle"])) for look in LOOKS.values()}) == len(LOOKS)
    assert len({(look["marker"], str(look["linestyle"])) for look in LOOKS.values()}) == len(LOOKS)  # in grey
    assert in_order(["swap", "plain"]) == ["plain", "swap"]


def test_means_over_seeds_have_students_intervals():
    table = runs(noise=0.2)
    found = over_seeds(table, "loss_nats").set_index(["remedy", "step"])
    values = table[(table.remedy == "swap") & (table.step == 20)].loss_nats.to_numpy()
    np.testing.assert_allclose(found.loc[("swap", 20)].to_numpy(), mean_interval(values))


def test_bands_lie_within_what_values_can_be():
    few = trained({("plain", seed): [8.0, 6.0, 1.0, 0.1 + 3 * seed] for seed in range(2)})
    drawn = over_seeds(few, "loss_nats", possible=POSITIVE)
    values = few[few.step == few.step.max()].loss_nats.to_numpy()
    assert mean_interval(values)[1] < 0
    assert drawn.low.iloc[-1] == 0
    assert drawn.high.iloc[-1] == pytest.approx(mean_interval(values)[2])
    rows = pd.DataFrame({"difference": [2.0], "reference_mean": [10.0], "low": [-40.0], "high": [44.0]})
    steps = figure_tied_convergence.possible(rows, "steps_to_loss", 20).iloc[0]
    assert (steps.value, steps.low, steps.high) == (2, -10, 10)  # the remedy itself: 0 to 20 steps
    losses = figure_tied_convergence.possible(rows, "final_nats", 20).iloc[0]
    assert (losses.low, losses.high) == (-10, 44)


def test_the_training_table(tmp_path):
    made = training_table(summary(runs(scaled=9.0, noise=0.1)))
    write_csv("table_tied_training", tmp_path / "t.csv", made)
    rows = read_csv("table_tied_training", tmp_path / "t.csv").set_index("remedy")
    assert rows.loc["scaled", "reached"] == 0
    assert np.isnan(rows.loc["scaled", "steps_to_loss"])
    assert rows.loc["plain", "steps_low"] < rows.loc["plain", "steps_to_loss"] < rows.loc["plain", "steps_high"]
    empty = pd.DataFrame(columns=list(table_columns("tied_runs")))
    write_csv("table_tied_training", tmp_path / "e.csv", training_table(empty))
    assert read_csv("table_tied_training", tmp_path / "e.csv").empty


def test_figure_tied_initial_loss_draws_samples_formulas_and_models():
    drawn = figure_tied_initial_loss.curves_drawn(initial(0.02), models())
    assert drawn.groupby("panel").size()["models"] == 4 * len(models())
    lines = drawn[(drawn.panel == "loss") & (drawn.series == "su_2023")]
    assert len(lines) == 2 * figure_tied_initial_loss.POINTS
    one = lines.iloc[7]
    assert one.value == su_2023_loss(one.vocabulary_size, one.width, one.sigma)
    errors = drawn[(drawn.panel == "error") & (drawn.series == "su_2023")]
    np.testing.assert_allclose(errors.value, 0.02 / 1.02)
    remedies = drawn[(drawn.panel == "remedies") & (drawn.series == "sampled")]
    assert sorted(remedies.name) == sorted(REMEDIES)
    assert set(remedies[remedies.name != "scaled"].sigma) == {0.02}
    assert set(remedies.width) == {1024}
    figure = figure_tied_initial_loss.draw(drawn)
    assert len(figure.axes) == 4
    plt.close(figure)


@pytest.mark.parametrize("remedies", [["scaled"], ["swap", "untied"], ["plain"]])
def test_figure_tied_initial_loss_of_some_remedies_and_no_models(remedies):
    losses = initial()[lambda rows: rows.remedy.isin(remedies)]
    drawn = figure_tied_initial_loss.curves_drawn(losses, models()[:0])
    assert set(drawn[drawn.panel == "remedies"].name) == set(remedies)
    plt.close(figure_tied_initial_loss.draw(drawn))


def test_errors_within_noise_are_not_drawn():
    losses = initial(0.0001).assign(loss_error=1.0)
    drawn = figure_tied_initial_loss.curves_drawn(losses, models())
    assert (drawn[(drawn.panel == "error") & (drawn.series == "su_2023")].value == 0).all()


def test_figure_tied_convergence_draws_paired_differences():
    table = runs(swap=-0.1, noise=0.2)
    numbers = training_table(summary(table))
    drawn = figure_tied_convergence.curves_drawn(table, comparison(table), numbers)
    assert drawn.groupby("panel").size().to_dict() == {
        "loss": 20,
        "difference": 20,
        "steps_to_loss": 4,
        "final_nats": 4,
    }
    own = drawn[(drawn.panel == "difference") & (drawn.remedy == "plain")]
    assert (own[["value", "low", "high"]] == 0).all(axis=None)
    assert (drawn.threshold_nats == numbers.threshold_nats[0]).all()
    figure = figure_tied_convergence.draw(drawn)
    assert len(figure.axes) == 4
    plt.close(figure)


def test_figure_tied_convergence_without_plain_models():
    table = runs()[lambda rows: rows.remedy != "plain"]
    compared = comparison(table)
    numbers = training_table(summary(table))
    drawn = figure_tied_convergence.curves_drawn(table, compared, numbers)
    assert set(drawn.panel) == {"loss"}
    plt.close(figure_tied_convergence.draw(drawn))


def test_figure_tied_saturation_draws_the_last_spectrum():
    table = runs()
    parts = [
        pd.DataFrame({**SETTING, "remedy": row.remedy, "seed": row.seed, "step": row.step, "rank": [1, 2, 3]}).assign(
            singular_value=[3.0, 2.0, 1.0], singular_value_centred=[2.0 + row.step, 1.0, 0.5]
        )
        for row in table.itertuples()
    ]
    drawn = figure_tied_saturation.curves_drawn(table, pd.concat(parts))
    spectrum = drawn[(drawn.panel == "spectrum") & (drawn.remedy == "swap")]
    assert spectrum.value.tolist() == pytest.approx([1.0, 1 / 42, 0.5 / 42])
    figure = figure_tied_saturation.draw(drawn)
    assert len(figure.axes) == 4
    plt.close(figure)


def test_figure_tied_end_draws_settings_whose_rates_were_tried():
    own, shipped = comparison(runs(swap=-0.1, noise=0.05)), comparison(runs(swap=-0.1, noise=0.05), 0.01)
    other = shipped.assign(residual_scale=1.0, doubling_gain=0.05)
    drawn = figure_tied_end.shares_drawn({"this run": own, "shipped": pd.concat([shipped, other])})
    assert set(drawn.source) == {"shipped"}
    swap = drawn[(drawn.remedy == "swap") & (drawn.quantity == "final_nats")]
    wanted = shipped[(shipped.remedy == "swap") & (shipped.quantity == "final_nats") & (shipped.reference == "plain")]
    assert swap.value.tolist() == pytest.approx([(wanted.difference / wanted.reference_mean).item()] * 2)
    figure = figure_tied_end.draw(drawn)
    assert len(figure.axes) == 4
    plt.close(figure)
    plt.close(figure_tied_end.draw(figure_tied_end.shares_drawn({"this run": own})))


def test_claims_are_judged_where_branches_start_at_zero():
    """Su's premise; the same trainings at another scale answer a question of their own."""
    table = comparison(runs(), 0.01)
    zero, other = (judged({"tied_comparison": table.assign(residual_scale=scale)}) for scale in (0.0, 1.0))
    without = "remedies_end_alike_without_the_premise"
    assert (zero["remedies_end_alike"]["verdict"], zero[without]["verdict"]) == ("reproduced", NOT_TESTED)
    assert (other["remedies_end_alike"]["verdict"], other[without]["verdict"]) == (NOT_TESTED, "yes")


def test_shipped_trainings_are_judged_like_those_of_a_run():
    table = comparison(runs(scaled=0.3), 0.01)
    shipped = judged({"shipped_tied_comparison": table}, SHIPPED)
    here = judged({"tied_comparison": table})
    assert len(shipped) == 5
    assert all(row["verdict"] == here[name]["verdict"] for name, row in shipped.items())
