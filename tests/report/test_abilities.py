"""Abilities: the rules on published evaluations and on made ones, Table 1, the claims, what the figures draw."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from lm_saturation.abilities.emergence import emergence_fits
from lm_saturation.abilities.equal_loss import equal_loss_pairs
from lm_saturation.abilities.loss_points import published_points
from lm_saturation.abilities.lost_abilities import lost_abilities
from lm_saturation.abilities.pythia_evaluations import published_scores
from lm_saturation.claims.base import PAPER, PUBLISHED
from lm_saturation.io.tables import read_csv, read_table, write_rows
from lm_saturation.report.tables.table_1 import COLUMNS, note_swapped, printed_rows, score_rows
from scripts.report.figure_equal_loss import draw, numbers_drawn
from scripts.report.figure_natural_experiments import curves_drawn, variant
from tests.conftest import RESOURCES
from tests.report.judging import judged

PRINTED = RESOURCES / "table_1_published.csv"
FIGURE_1A = RESOURCES / "figure_1a_published.csv"
EVALUATIONS, MODELS = RESOURCES / "pythia_evaluations.csv.xz", RESOURCES / "pythia_models.csv"
TASKS = ["lambada_openai", "sciq", "arc_easy", "mmlu"]


@pytest.fixture(scope="module")
def scores():
    evaluations = pd.read_csv(EVALUATIONS)
    return published_scores(evaluations[evaluations.task.isin(TASKS)], pd.read_csv(MODELS))


@pytest.fixture(scope="module")
def points(scores):
    small = scores[scores.model.str.match("70m|160m|410m")]
    return published_points(small, pd.read_csv(FIGURE_1A))


@pytest.fixture(scope="module")
def lost(scores):
    small = scores[scores.model.str.match("70m|160m") & (scores.task != "mmlu")]
    return pd.DataFrame(lost_abilities(small, pd.DataFrame()))


def test_published_models_that_saturate(lost):
    perplexity = lost[lost.metric == "perplexity"].set_index(["suite", "model", "num_fewshot"])
    assert perplexity.loc[("pythia-v1", "160m", 0), "saturates"] == 1
    assert perplexity.loc[("pythia-v1", "160m-0.5MtokBS", 5), "saturates"] == 0
    assert perplexity.loc[("pythia-v0", "160m", 0), "saturates"] == 0
    assert perplexity.loc[("pythia-v1", "160m", 5), "lost"] == pytest.approx(np.log(65.3457 / 40.7194), abs=1e-3)


def test_table_1_has_the_papers_row_beside_the_published_one_and_names_the_swapped_cells(scores):
    rows = [*printed_rows(pd.read_csv(PRINTED)), *score_rows("published", scores[of_160m(scores)], 75_000)]
    table = note_swapped(pd.DataFrame(rows))
    final = table[(table.source == "published") & (table.checkpoint == "final")].set_index("column")
    assert final.value["LAMBADA perplexity"] == pytest.approx(38.06, abs=0.01)
    assert final.value["SciQ accuracy"] == pytest.approx(74.1)
    assert final.note["StoryCloze accuracy"] == "not available"
    swapped = table[table.note.str.contains("swapped", na=False)]
    assert swapped.checkpoint.tolist() == ["final", "final"]
    assert set(swapped.column) == {"LAMBADA perplexity", "LAMBADA accuracy"}
    lowest = table[table.definition == "lowest loss"]
    assert set(lowest.step.dropna()) == {73000}
    assert set(table.column) == set(COLUMNS)


def of_160m(scores):
    return (scores.suite == "pythia-v1") & (scores.model == "160m")


@pytest.fixture(scope="module")
def tables(scores, lost, points):
    rows = [*printed_rows(pd.read_csv(PRINTED)), *score_rows("published", scores[of_160m(scores)], 75_000)]
    every = published_points(scores, pd.read_csv(FIGURE_1A))
    return {
        "table_1": pd.DataFrame(rows),
        "ability_saturation": lost,
        "emergence_fits": pd.DataFrame(emergence_fits(every, 40)),
        "equal_loss": pd.DataFrame(equal_loss_pairs(points, 200)),
    }


def counts(row):
    """How many curves agree, contradict, and are there."""
    return row["agreeing"], row["contradicting"], row["curves"]


def test_claims_on_published_evaluations(tables):
    claims = judged(tables, PUBLISHED)
    assert claims["saturation_costs_perplexity"]["verdict"] == "reproduced"  # LAMBADA, WikiText was not published
    assert claims["saturation_costs_perplexity"]["unit"] == "nats/word"
    assert counts(claims["saturation_costs_accuracy"]) == (1, 0, 3)
    assert counts(claims["table_1_final"]) == (2, 2, 4)  # LAMBADA's cells are swapped
    assert counts(claims["narrow_models_saturate"]) == (9, 0, 16)
    assert claims["narrow_models_saturate"]["verdict"] == "in part"
    mmlu = claims["mmlu_has_a_tipping_point"]
    assert mmlu["contradicting"] == 0
    assert mmlu["agreeing"] >= 2
    assert claims["one_curve_for_all_sizes"]["curves"] == 4 * 3  # versions and shots, tasks
    follow = claims["abilities_follow_loss"]
    assert follow["verdict"] == "reproduced"  # of SciQ and ARC-easy
    assert follow["ours_maximum"] < -0.95
    assert counts(claims["same_ability_at_equal_loss"])[::2] == (2, 12)
    other = claims["other_ability_at_equal_loss"]
    assert (other["kind"], other["verdict"]) == ("question", "in part")
    assert counts(other) == (6, 2, 12)


def test_claims_on_the_papers_own_numbers(tables):
    claims = judged(tables, PAPER)
    assert counts(claims["saturation_costs_perplexity"]) == (2, 0, 2)
    assert claims["saturation_costs_perplexity"]["ours_minimum"] == pytest.approx(np.log(33.44 / 30.47), abs=1e-3)
    wikitext = claims["table_1_wikitext"]
    assert (wikitext["verdict"], wikitext["ours_minimum"]) == ("reproduced", pytest.approx(-0.04, abs=0.01))
    assert claims["saturation_costs_accuracy"]["curves"] == 4  # StoryCloze is only printed


def made_points(score, family="made"):
    """Points of eight models measured here, whose score is a function of loss (nats/token) and log10 of size."""
    random = np.random.default_rng(0)
    sizes = np.repeat(np.geomspace(1e7, 1e9, 8), 20)
    losses = random.uniform(2.2, 4, len(sizes)) + 0.2 * (9 - np.log10(sizes))
    value = score(losses, np.log10(sizes) - 8) + 0.002 * random.standard_normal(len(sizes))
    keys = {"family": family, "loss_measure": "held_out", "task": "sciq", "num_fewshot": 0, "metric": "acc"}
    about = {"suite": family, "model": [f"m{size:.0f}" for size in sizes], "step": np.tile(np.arange(1, 21) * 50, 8)}
    points = pd.DataFrame({**keys, **about, "parameters": sizes, "loss": losses, "value": value})
    return points.assign(tokens=points.step * 1000, stderr=0.002, chance=0.25)


@pytest.mark.parametrize(
    ("score", "verdict"),
    [
        (lambda loss, _: 0.25 + 0.2 * (5 - loss), "reproduced"),
        (lambda loss, size: 0.25 + 0.2 * (5 - loss + 0.5 * size), "contradicted"),
        (lambda loss, size: 0.5 + 0.1 * size + 0 * loss, "contradicted"),  # loss explains next to nothing of it
    ],
)
def test_a_curve_that_contradicts_one_curve_for_all_sizes_is_judged(score, verdict):
    fits = pd.DataFrame(emergence_fits(made_points(score), 10))
    assert judged({"emergence_fits": fits})["one_curve_for_all_sizes"]["verdict"] == verdict


def test_a_task_whose_scores_are_noise_is_not_judged():
    fits = pd.DataFrame(emergence_fits(made_points(lambda loss, _: 0.25 + 0 * loss), 10))
    assert fits.noise_share[0] > 0.8
    assert judged({"emergence_fits": fits})["one_curve_for_all_sizes"]["verdict"] == "not tested here"


def test_tipping_points_of_accuracy_are_looked_for_in_continuous_metrics():
    emerging = made_points(lambda loss, _: 0.25 + 0.1 * (2.9 - loss).clip(0)).assign(task="gsm8k", num_fewshot=5)
    smooth = made_points(lambda loss, _: 0.25 + 0.1 * (5 - loss)).assign(task="gsm8k", num_fewshot=5)
    other = smooth.assign(task="ceval-valid")
    metrics = [emerging, emerging.assign(metric="correct_choice_prob"), smooth.assign(metric="brier"), other]
    fits = pd.DataFrame(emergence_fits(pd.concat(metrics, ignore_index=True), 10))
    claims = judged({"emergence_fits": fits})
    verdicts = {name: claims[name]["verdict"] for name in claims if "tipping" in name}
    assert verdicts == {
        "mmlu_has_a_tipping_point": "not tested here",
        "ceval_has_a_tipping_point": "contradicted",
        "gsm8k_has_a_tipping_point": "reproduced",
        "gsm8k_chinese_has_a_tipping_point": "not tested here",
        "tipping_points_survive_choice_probability": "reproduced",
        "tipping_points_survive_brier_score": "contradicted",
    }


def test_tokenizers_compare_where_two_suites_do():
    def suites(second):
        points = made_points(lambda loss, _: 0.25 + 0.2 * (5 - loss)).assign(loss_measure="bits_per_byte", family="all")
        is_second = points.model.isin(points.model.unique()[::2])
        return points.assign(suite=np.where(is_second, "b", "a"), value=points.value + second * is_second)

    for second, verdict in ((0.0, "reproduced"), (0.05, "contradicted")):
        fits = pd.DataFrame(emergence_fits(suites(second), 10))
        assert judged({"emergence_fits": fits})["bits_per_byte_compares_tokenizers"]["verdict"] == verdict


def test_losses_of_figure_1a_lie_between_its_steps(points):
    drawn = points[(points.loss_measure == "figure_1a") & (points.model == "160m") & (points.task == "sciq")]
    figure = pd.read_csv(FIGURE_1A)
    figure = figure[figure.model == "pythia-160m"].set_index("step").loss_nats
    value = drawn[(drawn.step == 63000) & (drawn.num_fewshot == 0)].loss.iloc[0]
    assert value == pytest.approx(0.4 * figure[60000] + 0.6 * figure[65000])
    assert set(points[points.loss_measure == "figure_1a"].model) == {"70m", "160m", "410m"}
    lambada = points[points.loss_measure == "lambada"]
    assert "lambada_openai" not in set(lambada.task)


def test_variants_of_the_natural_experiments(scores):
    assert variant("pythia-v1", "160m-0.5MtokBS") == "v1, small batches"
    assert variant("pythia-v0", "160m-deduped") == "v0, deduplicated"
    drawn = curves_drawn(scores.assign(stderr=scores.stderr.astype(float)))
    assert set(drawn["size"]) == {"70m", "160m", "410m"}
    assert drawn.tokens.min() > 0.05 * 299_892_736_000
    panel = drawn[(drawn["size"] == "160m") & (drawn.num_fewshot == 5)]
    assert set(panel.variant) == {"v1, 2M-token batches", "v1, deduplicated", "v1, small batches"}


def test_the_figure_of_equal_loss_shows_models_that_saturate(points):
    pairs = pd.DataFrame(equal_loss_pairs(points, 20))
    drawn = numbers_drawn(points, pairs, {("pythia-v1", "160m")})
    means = drawn[drawn.part == "difference"]
    assert set(means.model) == {"160m"}
    assert (means.difference_low <= means.difference_high).all()
    way = drawn[drawn.part == "way"]
    assert set(way.task) == {"lambada_openai", "sciq", "arc_easy"}
    both = draw(numbers_drawn(points, pairs, {("pythia-v1", "160m"), ("pythia-v1", "70m")}))
    panels = [axis.get_title() for part in both.subfigs for axis in part.axes]
    assert panels[0] == "70m, lambada_openai"
    assert panels[3] == "160m, lambada_openai"
    assert panels[-2:] == ["pythia-v1 70m", "pythia-v1 160m"]  # by size
    bars = [container for container in both.subfigs[0].axes[3].containers if container.has_yerr]
    assert len(bars) == 2
    assert "no model saturates" in draw(numbers_drawn(points, pairs, set())).axes[0].texts[0].get_text()
    plt.close("all")


def test_the_rules(run_script, tmp_path):
    published = tmp_path / "published.parquet"
    run_script(
        "abilities/ability_published.py",
        input={"evaluations": EVALUATIONS, "models": MODELS},
        output=[published],
    )
    fits = tmp_path / "fits.parquet"
    write_rows("scaling_fit", fits, [])
    outputs = {name: tmp_path / f"{name}.parquet" for name in ("emergence_points", "emergence_fits")}
    outputs |= {name: tmp_path / f"{name}.parquet" for name in ("emergence_sizes", "equal_loss")}
    inputs = {"published": published, "scores": [], "metrics": [], "fits": fits}
    inputs["figure"] = FIGURE_1A
    run_script("abilities/ability_emergence.py", input=inputs, output=outputs, params={"bootstraps": 5})
    fits = read_table("emergence_fits", outputs["emergence_fits"]).to_pandas()
    assert (fits.models >= 5).all()
    assert len(read_table("emergence_sizes", outputs["emergence_sizes"])) == 0
    target = tmp_path / "table_1.csv"
    inputs = {"published": published, "scores": [], "points": outputs["emergence_points"], "printed": PRINTED}
    run_script("report/table_1.py", input=inputs, output=[target], params={"names": {}})
    assert len(read_csv("table_1", target)) == 12 + 18
