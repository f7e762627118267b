"""Abilities: the rules on published evaluations and on made ones, Table 1, the claims, what the figures draw."""

import numpy as np
import pandas as pd
import pytest

from scripts.abilities.ability_emergence import emergence_row, needed_parameters, pair_rows, published_points
from scripts.abilities.ability_published import published_scores
from scripts.abilities.ability_saturation import error_of, saturation_rows, worse_is_more
from scripts.common.tables import read_csv, read_table, write_rows
from scripts.report.claims_abilities import ability_claims
from scripts.report.figure_equal_loss import numbers_drawn
from scripts.report.figure_natural_experiments import curves_drawn, variant
from scripts.report.table_1 import COLUMNS, note_swapped, paper_rows, score_rows

PRINTED = "resources/table_1_published.csv"
TASKS = ["lambada_openai", "sciq", "arc_easy", "mmlu"]


@pytest.fixture(scope="module")
def scores():
    evaluations, models = (
        pd.read_csv(f"resources/{name}") for name in ("pythia_evaluations.csv.xz", "pythia_models.csv")
    )
    return published_scores(evaluations[evaluations.task.isin(TASKS)], models)


@pytest.fixture(scope="module")
def points(scores):
    small = scores[scores.model.str.match("70m|160m|410m")]
    return published_points(small, pd.read_csv("resources/figure_1a_published.csv"))


@pytest.fixture(scope="module")
def lost(scores):
    own = scores[scores.model.str.match("70m|160m") & (scores.task != "mmlu")]
    return pd.DataFrame(saturation_rows(own, pd.DataFrame()))


def curve(values, stderr=0.01, metric="acc", task="sciq"):
    """Rows of ability_scores of one model."""
    steps = 1000 * np.arange(1, len(values) + 1)
    about = {"suite": "s", "model": "m", "tokens": steps * 10, "parameters": 5, "hidden_size": 4, "task": task}
    more = {"num_fewshot": 0, "metric": metric, "value": values, "stderr": stderr, "items": None, "chance": 0.25}
    return pd.DataFrame({"step": steps, **about, **more, "source": "here"})


def test_less_is_better_for_perplexities_alone():
    np.testing.assert_allclose(worse_is_more("perplexity", [1, np.e]), [0, 1])
    np.testing.assert_allclose(worse_is_more("acc", [0.2]), [-0.2])
    np.testing.assert_allclose(worse_is_more("brier", [0.2]), [0.2])
    np.testing.assert_allclose(error_of("perplexity", [10.0, 20.0], [1.0, 1.0]), [0.1, 0.05])


def test_errors_from_neighbours_are_those_of_the_noise():
    noise = 0.02 * np.random.default_rng(0).standard_normal(4000)
    found = error_of("acc", 0.5 + np.linspace(0, 0.1, 4000) + noise, np.full(4000, np.nan))
    assert found[0] == pytest.approx(0.02, rel=0.05)


def test_what_is_lost_in_published_scores():
    falls = curve(np.r_[np.linspace(0.3, 0.7, 10), np.linspace(0.7, 0.5, 10)])
    row = saturation_rows(falls, pd.DataFrame())[0]
    assert (row["best_step"], row["saturates"], row["errors_from"]) == (10000, 1, "published")
    assert row["lost"] == pytest.approx(0.2)
    assert row["lost_low"] < 0.2 < row["lost_high"] + 0.02
    few = saturation_rows(curve([0.9, 0.2, 0.1]), pd.DataFrame())[0]
    assert (few["lost_low"], few["saturates"], few["errors_from"]) == (None, 0, "none")


def test_what_is_lost_item_by_item():
    random = np.random.default_rng(1)
    steps, items = 8, 300
    hard = random.uniform(size=items)
    share = np.r_[np.linspace(0.3, 0.8, 5), 0.7, 0.6, 0.5]
    right = (hard[None] < share[:, None]).astype(int)  # the same items stay hard
    rows = [
        {"suite": "s", "model": "m", "step": 1000 * (step + 1), "task": "word", "num_fewshot": 0, "item": item}
        | {"choice": 0, "correct": 1, "log_probability_nats": -1.0, "greedy": right[step, item], "characters": 3}
        for step in range(steps)
        for item in range(items)
    ]
    table = curve(right.mean(1), stderr=0.03, task="word")
    row = saturation_rows(table, pd.DataFrame(rows))[0]
    assert row["errors_from"] == "items"
    assert row["lost"] == pytest.approx(right.mean(1)[4] - right.mean(1)[-1])
    paired = row["lost_high"] - row["lost_low"]
    unpaired = saturation_rows(table, pd.DataFrame())[0]
    assert paired < 0.8 * (unpaired["lost_high"] - unpaired["lost_low"])


def test_a_model_that_guesses_well_by_luck_at_first_has_not_lost_it():
    lucky = curve(np.r_[0.9, np.linspace(0.3, 0.7, 40)])
    assert saturation_rows(lucky, pd.DataFrame())[0]["best_step"] == 41000


def test_published_models_that_saturate(lost):
    perplexity = lost[lost.metric == "perplexity"].set_index(["suite", "model", "num_fewshot"])
    assert perplexity.loc[("pythia-v1", "160m", 0), "saturates"] == 1
    assert perplexity.loc[("pythia-v1", "160m-0.5MtokBS", 5), "saturates"] == 0
    assert perplexity.loc[("pythia-v0", "160m", 0), "saturates"] == 0
    assert perplexity.loc[("pythia-v1", "160m", 5), "lost"] == pytest.approx(np.log(65.3457 / 40.7194), abs=1e-3)


def test_table_1_has_the_papers_row_beside_the_published_one_and_names_the_swapped_cells(scores):
    rows = [*paper_rows(pd.read_csv(PRINTED)), *score_rows("published", scores[of_160m(scores)], 75_000)]
    table = note_swapped(pd.DataFrame(rows))
    final = table[(table.source == "published") & (table.checkpoint == "final")].set_index("column")
    assert final.value["LAMBADA perplexity"] == pytest.approx(38.06, abs=0.01)
    assert final.value["SciQ accuracy"] == pytest.approx(74.1)
    assert final.note["StoryCloze accuracy"] == "not available"
    swapped = table[table.note.str.contains("swapped", na=False)]
    assert swapped.checkpoint.tolist() == ["final", "final"]
    assert set(swapped.column) == {"LAMBADA perplexity", "LAMBADA accuracy"}
    least = table[table.definition == "least loss"]
    assert set(least.step.dropna()) == {73000}
    assert set(table.column) == set(COLUMNS)


def of_160m(scores):
    return (scores.suite == "pythia-v1") & (scores.model == "160m")


def test_claims_on_published_evaluations(scores, lost, points):
    fits = pd.DataFrame(list(fitted(points)))
    pairs = pd.DataFrame([row for rows in curves(points) for row in pair_rows(rows, 60)])
    rows = [*paper_rows(pd.read_csv(PRINTED)), *score_rows("published", scores[of_160m(scores)], 75_000)]
    claims = {row["claim"]: row for row in ability_claims(pd.DataFrame(rows), lost, fits, pairs)}
    assert (claims["saturation_costs_abilities"]["agreeing"], claims["saturation_costs_abilities"]["curves"]) == (2, 4)
    assert (claims["table_1_final"]["agreeing"], claims["table_1_final"]["curves"]) == (2, 4)
    assert claims["width_decides"]["verdict"] == "not reproduced"
    assert claims["abilities_follow_loss"]["curves"] > 0
    assert claims["same_ability_at_equal_loss"]["verdict"] == "not reproduced"


def fitted(points):
    keys = ["family", "loss_measure", "task", "num_fewshot", "metric"]
    for _, rows in points.groupby(keys, sort=False):
        if row := emergence_row(rows, 40):
            yield row


def curves(points):
    keys = ["family", "loss_measure", "task", "num_fewshot", "metric", "suite", "model"]
    return [rows for _, rows in points.groupby(keys, sort=False)]


def test_losses_of_figure_1a_lie_between_its_steps(points):
    own = points[(points.loss_measure == "figure_1a") & (points.model == "160m") & (points.task == "sciq")]
    figure = pd.read_csv("resources/figure_1a_published.csv")
    figure = figure[figure.model == "pythia-160m"].set_index("step").loss_nats
    value = own[(own.step == 63000) & (own.num_fewshot == 0)].loss.iloc[0]
    assert value == pytest.approx(0.4 * figure[60000] + 0.6 * figure[65000])
    assert set(points[points.loss_measure == "figure_1a"].model) == {"70m", "160m", "410m"}
    lambada = points[points.loss_measure == "lambada"]
    assert "lambada_openai" not in set(lambada.task)


def test_parameters_that_reach_a_tipping_point():
    law = {"suite": "s", "parameters_counted": "total", "constants": "free"}
    fits = pd.DataFrame([{**law, "A": 100.0, "alpha": 0.5, "B": 10.0, "beta": 0.5, "E": 1.0}])
    row = {"family": "s", "loss_measure": "held_out", "task": "t", "num_fewshot": 0, "metric": "acc", "kinked": 1}
    row |= {"tipping_point": 2.1, "tipping_point_low": 1.05, "tipping_point_high": 3.1}
    found = next(needed_parameters(row, fits, 10_000.0))
    assert found["least_loss_nats"] == pytest.approx(1.1)
    assert found["needed"] == pytest.approx(100.0**2)  # L = 1.1 + 100 / √N
    assert found["needed_low"] == pytest.approx(50.0**2)
    assert found["needed_high"] is None  # no size reaches 1.05
    assert not list(needed_parameters(row | {"loss_measure": "lambada"}, fits, 1e4))


def test_variants_of_the_natural_experiments(scores):
    assert variant("pythia-v1", "160m-0.5MtokBS") == "v1, small batches"
    assert variant("pythia-v0", "160m-deduped") == "v0, deduplicated"
    drawn = curves_drawn(scores.assign(stderr=scores.stderr.astype(float)))
    assert set(drawn["size"]) == {"70m", "160m", "410m"}
    assert drawn.tokens.min() > 0.05 * 299_892_736_000
    panel = drawn[(drawn["size"] == "160m") & (drawn.num_fewshot == 5)]
    assert set(panel.variant) == {"v1, 2M-token batches", "v1, deduplicated", "v1, small batches"}


def test_the_figure_of_equal_loss_shows_models_that_saturate(points):
    pairs = pd.DataFrame([row for rows in curves(points) for row in pair_rows(rows, 20)])
    drawn = numbers_drawn(points, pairs, {("pythia-v1", "160m")})
    means = drawn[drawn.part == "difference"]
    assert set(means.model) == {"160m"}
    assert (means.difference_low <= means.difference_high).all()
    assert set(drawn[drawn.part == "way"].task) == {"lambada_openai", "sciq", "arc_easy"}


def test_the_rules(run_script, tmp_path):
    published = tmp_path / "published.parquet"
    run_script(
        "abilities/ability_published.py",
        input={"evaluations": "resources/pythia_evaluations.csv.xz", "models": "resources/pythia_models.csv"},
        output=[published],
    )
    fits = tmp_path / "fits.parquet"
    write_rows("scaling_fit", fits, [])
    outputs = {name: tmp_path / f"{name}.parquet" for name in ("emergence_points", "emergence_fits")}
    outputs |= {name: tmp_path / f"{name}.parquet" for name in ("emergence_sizes", "equal_loss")}
    inputs = {"published": published, "scores": [], "metrics": [], "fits": fits}
    inputs["figure"] = "resources/figure_1a_published.csv"
    run_script("abilities/ability_emergence.py", input=inputs, output=outputs, params={"bootstraps": 5})
    found = read_table("emergence_fits", outputs["emergence_fits"]).to_pandas()
    assert (found.models >= 5).all()
    assert len(read_table("emergence_sizes", outputs["emergence_sizes"])) == 0
    target = tmp_path / "table_1.csv"
    inputs = {"published": published, "scores": [], "points": outputs["emergence_points"], "printed": PRINTED}
    run_script("report/table_1.py", input=inputs, output=[target], params={"names": {}})
    assert len(read_csv("table_1", target)) == 12 + 18
