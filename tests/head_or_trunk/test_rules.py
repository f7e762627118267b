"""Rules `head_or_trunk_rates` and `head_or_trunk` on tiny models, table, figure and question of planted losses."""

import numpy as np
import pandas as pd
import pytest

from lm_saturation.claims import CLAIMS
from lm_saturation.claims.base import HERE, NOT_TESTED, SHIPPED
from lm_saturation.config import read_experiment
from lm_saturation.config.causes import FactorialOptions
from lm_saturation.config.suites import TrainedModel, TrainingOptions
from lm_saturation.head_or_trunk.kinds import LOW_RANK, NARROW, WIDE
from lm_saturation.head_or_trunk.shipped import run_trainings
from lm_saturation.io.tables import read_csv, read_table, write_csv, write_rows
from lm_saturation.report.tables.head_or_trunk import all_trainings, table_head_or_trunk
from lm_saturation_workflow.paths import head_or_trunk_tables
from tests.config.defaults import changed, error_of
from tests.conftest import RESOURCES
from tests.heads.problems import write_model
from tests.invisible.test_rules import HELD_OUT, SAMPLE, WEIGHTS

QUESTION = CLAIMS["the_head_explains_narrow_models"]
WIDE_MODEL = TrainedModel(width=16, layers=1, attention_heads=1, learning_rate=0.01, seed=0)
NARROW_MODEL = TrainedModel(width=8, layers=1, attention_heads=1, learning_rate=0.02, seed=0)


def test_the_rules_train_the_factorial(tmp_path, run_script):
    folder = write_model(tmp_path)
    params = {
        "models": (WIDE_MODEL, [WIDE_MODEL, NARROW_MODEL]),
        "sequences": TrainingOptions(sequence_length=12, batch_size=4),
        "weights": WEIGHTS,
        "sample": SAMPLE,
        "options": FactorialOptions(ranks=[8, 16], rate_factors=[0.5, 1.0], tuning_seed=9, steps=2),
        "held_out": HELD_OUT,
    }
    tokens = [str(folder / f"{number}.json") for number in range(2)]
    files = {"tokenizer": str(folder / "tokenizer.json"), "tokens": tokens}
    made = tmp_path / "causes/s/m"
    (made / "head_or_trunk").mkdir(parents=True)
    rates, losses = made / "head_or_trunk_rates.parquet", made / "head_or_trunk/3.parquet"
    job = {"params": params, "wildcards": {"suite": "s", "model": "m", "seed": "3"}}
    run_script("causes/head_or_trunk_rates.py", input=files, output=[rates], **job)
    run_script("causes/head_or_trunk.py", input={**files, "rates": [str(rates)]}, output=[losses], **job)
    tried, rows = (read_table("head_or_trunk", path).to_pandas() for path in (rates, losses))
    assert len(tried) == 4 * 2
    assert (tried.seed == 9).all()
    assert rows[["cell", "rank"]].astype(str).agg(" ".join, axis=1).tolist() == [
        "wide 16",
        "low_rank 8",
        "narrow 8",
        "low_rank 16",
    ]
    assert (rows.seed == 3).all()
    assert rows.tokens.tolist() == [2 * 4 * 12] * 4
    for row in rows.itertuples():
        own = tried[(tried.cell == row.cell) & (tried["rank"] == row.rank)]
        assert own.loc[own.loss_nats.idxmin()].rate_factor == row.rate_factor
    again = tmp_path / "again.parquet"
    run_script("causes/head_or_trunk.py", input={**files, "rates": []}, output=[again], **job)
    assert (read_table("head_or_trunk", again).to_pandas().rate_factor == 0.5).all()
    assert len(run_trainings(tmp_path)) == 8 + 4


def trainings(share, excess=0.4, noise=0.005, seeds=5, factoring=0.0, ranks=(8, 16)):
    """Rows of `head_or_trunk` of a model of width 32 with planted costs."""
    random = np.random.default_rng(1)
    rows = []
    for seed in range(seeds):
        level = 3 + 0.05 * random.standard_normal()  # of all models of a seed
        planted = {(WIDE, 32): 0.0, (LOW_RANK, 32): factoring}
        planted |= {(LOW_RANK, rank): share * excess for rank in ranks} | {(NARROW, rank): excess for rank in ranks}
        for (cell, rank), cost in planted.items():
            loss = level + cost + noise * random.standard_normal()
            rows.append({"cell": cell, "rank": rank, "seed": seed, "loss_nats": loss, "chooses_rate": 0})
    width = {"hidden_size": 32, "layers": 2, "parameters": 1, "vocabulary_size": 9, "step": 4, "tokens": 8}
    rate = {"rate_factor": 1.0, "learning_rate": 0.02, "sample_tokens": 7, "suite": "s", "model": "m"}
    return pd.DataFrame(rows).assign(**width, **rate)


@pytest.mark.parametrize(
    ("planted", "verdict"),
    [
        ({"share": 0.8}, "yes"),
        ({"share": 0.2}, "no"),
        ({"share": 0.5, "noise": 0.05}, "inconclusive"),
        ({"share": 0.9, "seeds": 2}, "inconclusive"),
        ({"share": 0.9, "excess": 0.0}, "inconclusive"),
        ({"share": 0.9, "ranks": ()}, NOT_TESTED),
    ],
)
def test_the_question_finds_what_was_planted(planted, verdict):
    table = table_head_or_trunk(trainings(**planted).assign(source=HERE))
    assert QUESTION.row(HERE, {"head_or_trunk": table})["verdict"] == verdict
    assert QUESTION.row(SHIPPED, {"head_or_trunk": table})["verdict"] == NOT_TESTED


def test_the_table_has_the_planted_numbers(tmp_path):
    rows = trainings(0.7, noise=0.0, factoring=0.02).assign(source=HERE)
    path = tmp_path / "head_or_trunk.csv"
    write_csv("table_head_or_trunk", path, table_head_or_trunk(rows))
    table = read_csv("table_head_or_trunk", path)
    assert table["rank"].tolist() == [8, 16]
    assert table.head_share.to_numpy() == pytest.approx(0.7)
    assert table[["excess_nats", "head_cost_nats", "factoring_cost_nats"]].to_numpy() == pytest.approx(
        np.tile([0.4, 0.28, 0.02], (2, 1)), abs=1e-5
    )
    assert table.share_of_factored.to_numpy() == pytest.approx(0.26 / 0.38, abs=1e-4)
    assert (table.rates_at_edge == 0).all()


def test_a_seed_that_lacks_a_training_is_left_out():
    rows = trainings(0.7).assign(source=HERE)
    lacking = rows[~((rows.seed == 4) & (rows.cell == NARROW) & (rows["rank"] == 8))]
    assert table_head_or_trunk(lacking).seeds.tolist() == [4, 4]


def test_rates_at_an_edge_are_counted():
    rows = trainings(0.7)
    tried = [
        rows[rows.seed == 0].assign(seed=9, chooses_rate=1, rate_factor=factor, loss_nats=3.0)
        for factor in (0.5, 1.0, 2.0)
    ]
    inner = pd.concat([*tried, rows]).assign(source=HERE)
    edge = inner.assign(rate_factor=inner.rate_factor.mask((inner.chooses_rate == 0) & (inner.cell == NARROW), 2.0))
    assert table_head_or_trunk(inner).rates_at_edge.tolist() == [0, 0]
    assert table_head_or_trunk(edge).rates_at_edge.tolist() == [1, 1]


def test_table_and_figure_of_this_run_beside_the_shipped_one(tmp_path, run_script):
    made, shipped = tmp_path / "made.parquet", RESOURCES / "head_or_trunk.csv"
    write_rows("head_or_trunk", made, trainings(0.7).to_dict("records"))
    files = {"trainings": [str(made)], "shipped": str(shipped)}
    table = tmp_path / "table.csv"
    run_script("report/table_head_or_trunk.py", input=files, output={"head_or_trunk": str(table)})
    shares = read_csv("table_head_or_trunk", table)
    assert shares.source.unique().tolist() == [HERE, SHIPPED]
    output = {kind: str(tmp_path / f"figure.{kind}") for kind in ("pdf", "png", "csv")}
    run_script("report/figure_head_or_trunk.py", input={**files, "shares": str(table)}, output=output, params={})
    drawn = pd.read_csv(output["csv"])
    both = all_trainings(files["trainings"], shipped)
    assert (drawn.what == "head_share").sum() == len(shares)
    assert drawn.seed.notna().sum() == (both.chooses_rate == 0).sum()


def test_shipped_trainings_saw_equal_tokens_and_chose_rates_elsewhere():
    rows = read_csv("head_or_trunk", RESOURCES / "head_or_trunk.csv")
    compared = rows[rows.chooses_rate == 0]
    assert (compared.tokens == compared.tokens.iloc[0]).all()
    assert compared.groupby(["cell", "rank"]).seed.nunique().min() >= 3
    assert not set(compared.seed) & set(rows[rows.chooses_rate == 1].seed)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("causes/head_or_trunk/models", ["mini/d99"], "causes.head_or_trunk.models names 'mini/d99'"),
        ("causes/head_or_trunk/seeds", [0, 100], "causes.head_or_trunk.tuning_seed is 100; allowed: none of the seeds"),
        ("causes/head_or_trunk/rate_factors", [0.0], "causes.head_or_trunk.rate_factors[0] is 0.0; allowed: above 0"),
    ],
)
def test_wrong_options_are_one_line(path, value, message):
    assert error_of(changed(path, value)).startswith(message)


def test_a_rank_needs_a_model_of_that_width():
    config = changed("causes/head_or_trunk", {"models": ["mini/d32"], "ranks": [12]})
    assert error_of(config).startswith(
        "causes.head_or_trunk.ranks names 12; allowed for mini/d32, whose suite has models of these widths: 8, 16, 24"
    )


@pytest.mark.parametrize(("factors", "number"), [([1.0], 2), ([0.5, 1.0], 3)])
def test_a_table_a_seed_and_one_of_rates_where_there_is_a_choice(factors, number):
    options = {"models": ["mini/d32"], "seeds": [0, 1], "rate_factors": factors}
    experiment = read_experiment(changed("causes/head_or_trunk", options))
    assert len(head_or_trunk_tables(experiment)) == number
    assert experiment.text_of("mini") in experiment.texts()
