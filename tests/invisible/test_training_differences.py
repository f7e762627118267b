"""Differences of trainings paired by seed: intervals by another library, verdicts on planted effects, the figure."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lm_saturation.claims import CLAIMS
from lm_saturation.claims.base import HERE, INCONCLUSIVE, NOT_TESTED, SHIPPED
from lm_saturation.evidence.half_precision import shipped_rows
from lm_saturation.invisible.training_differences import training_differences
from lm_saturation.io.tables import read_csv, table_columns, write_csv, write_frame
from tests.conftest import RESOURCES

HEADS = ["plain", "centred", "z_loss", "coupled"]
PRECISIONS = ["float32", "bfloat16_logits", "float16"]


def trainings(precision=0.0, centred=0.0, other=0.0, noise=1e-4, seeds=4, model="m"):
    """Rows of table_offset_training: what half precision and heads add to the loss, beside much noise of seeds."""
    random = np.random.default_rng(0)
    rows = []
    for seed in range(seeds):
        level = 4 + random.standard_normal()  # of the seed, which pairing removes
        for name in PRECISIONS:
            for head in HEADS:
                loss = level + (name != "float32") * precision + noise * random.standard_normal()
                loss += {"plain": 0.0, "centred": centred * (name != "float32")}.get(head, other)
                rows.append({"seed": seed, "precision": name, "head": head, "loss_nats": loss})
    blank = {
        column: 0.5 if rule["type"] == "number" else 10
        for column, rule in table_columns("table_offset_training").items()
    }
    return pd.DataFrame(rows).assign(
        **{key: value for key, value in blank.items() if key not in rows[0]} | {"suite": "s", "model": model}
    )


def verdict(name, rows, source=HERE):
    """What a question answers on trainings of this run, or on those shipped."""
    table = training_differences(rows.assign(source="run" if source == HERE else "shipped"))
    return CLAIMS[name].row(source, {"half_precision": table})


def test_intervals_are_those_of_the_paired_t_test():
    rows = trainings(precision=0.02, noise=0.01).assign(source="run")
    table = training_differences(rows)
    assert len(table) == 2 * 4 + 3 * 3
    losses = rows.set_index(["precision", "head", "seed"]).loss_nats.sort_index()
    for row in table.itertuples():
        reference = ("float32", row.head) if row.compared == "precision" else (row.precision, "plain")
        test = stats.ttest_rel(losses[row.precision, row.head], losses[reference])
        ends = test.confidence_interval(0.95)
        assert (row.difference_low, row.difference_high) == pytest.approx((ends.low, ends.high))
        assert row.seeds == 4


@pytest.mark.parametrize(("effect", "answer"), [(0.0, "yes"), (0.005, "yes"), (0.05, "no"), (-0.05, "no")])
def test_is_the_loss_kept(effect, answer):
    assert verdict("half_precision_keeps_the_loss", trainings(precision=effect))["verdict"] == answer


def test_noise_of_trainings_leaves_it_open_and_says_with_what_power():
    row = verdict("half_precision_keeps_the_loss", trainings(noise=0.02))
    assert row["verdict"] == INCONCLUSIVE
    assert row["power"] < 0.5


@pytest.mark.parametrize(("effect", "answer"), [(-0.02, "yes"), (-0.005, "no"), (0.0, "no"), (0.02, "no")])
def test_does_centring_help(effect, answer):
    row = verdict("centring_helps_in_half_precision", trainings(precision=0.1, centred=effect))
    assert (row["verdict"], row["curves"]) == (answer, 2)


def test_with_noise_it_is_open_whether_centring_helps():
    row = verdict("centring_helps_in_half_precision", trainings(noise=0.02))
    assert row["verdict"] == INCONCLUSIVE
    assert row["power"] < 0.5


def test_other_heads_are_judged_in_every_precision():
    row = verdict("other_heads_help", trainings(other=0.3), SHIPPED)
    assert (row["verdict"], row["curves"]) == ("no", 6)
    assert verdict("other_heads_help", trainings(other=-0.3), SHIPPED)["verdict"] == "yes"


def test_sources_are_not_mixed_and_one_seed_has_no_interval():
    table = training_differences(trainings(precision=0.05).assign(source="run"))
    assert CLAIMS["half_precision_keeps_the_loss"].row(SHIPPED, {"half_precision": table})["verdict"] == NOT_TESTED
    assert verdict("half_precision_keeps_the_loss", trainings(seeds=1))["verdict"] == NOT_TESTED


def test_table_and_figure_of_a_run_beside_the_shipped_trainings(tmp_path, run_script):
    columns = list(table_columns("offset_training"))
    own, shipped = tmp_path / "own.parquet", tmp_path / "shipped.csv"
    before = tmp_path / "causes/s/before/offset_training.parquet"
    before.parent.mkdir(parents=True)
    write_frame("offset_training", own, trainings(model="here")[columns])
    write_frame("offset_training", before, trainings(model="before", seeds=3)[columns])
    write_csv("offset_training", shipped, shipped_rows(tmp_path))
    files = {name: tmp_path / f"{name}.csv" for name in ("offset_training", "half_precision")}
    inputs = {"trainings": [str(own)], "shipped": str(shipped)}
    run_script("report/table_half_precision.py", input=inputs, output=files)
    table = read_csv("half_precision", files["half_precision"])
    seeds = table.groupby(["source", "model"]).seeds.unique()
    assert {key: list(value) for key, value in seeds.items()} == {("run", "here"): [4], ("shipped", "before"): [3]}
    figure = {kind: tmp_path / f"figure.{kind}" for kind in ("pdf", "png", "csv")}
    inputs = {"trainings": str(files["offset_training"]), "differences": str(files["half_precision"])}
    run_script("report/figure_half_precision.py", input=inputs, output=figure)
    assert figure["png"].stat().st_size > 10_000
    drawn = pd.read_csv(figure["csv"])
    assert len(drawn) == 2 * 17 + (4 + 3) * 12
    assert drawn.entropy_share.dropna().tolist() == pytest.approx([0.5 / np.log(10)] * 84, rel=1e-5)


def test_the_shipped_trainings_are_whole():
    shipped = read_csv("offset_training", RESOURCES / "half_precision.csv")
    keys = ["model", "precision", "head", "seed"]
    assert len(shipped.drop_duplicates(keys)) == len(shipped) == 2 * 4 * 4 * 4
    assert (shipped.skipped_updates == 0).all()
    assert shipped[shipped["head"] == "centred"].logit_offset.max() < 1e-4
