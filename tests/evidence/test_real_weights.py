"""The numbers of a published model: from the tables of a run to the shipped table, and from it to verdicts."""

import numpy as np
import pandas as pd
import pytest

from lm_saturation.claims.base import HERE, NOT_TESTED, REAL, REPRODUCED
from lm_saturation.evidence.real_weights import quantities, run_rows, trained_heads
from lm_saturation.io.tables import table_columns, write_csv, write_frame
from tests.report.judging import judged
from tests.report.suite_tables import checkpoint_metrics

BLANK = {"key": "x", "integer": 1, "number": 0.5, "text": "x"}


def filled(table, **columns):
    """A table whose other columns hold anything that is allowed."""
    rules = table_columns(table).items()
    blank = {name: None if rule.get("nullable") else BLANK[rule["type"]] for name, rule in rules}
    return pd.DataFrame({**blank, **columns})


@pytest.fixture
def results(tmp_path):
    """A run of one model of width 128 at two steps."""
    metrics = checkpoint_metrics(
        "s",
        "m",
        np.array([1, 7]),
        np.array([9.0, 3.0]),
        singular_entropy=[0.1, 1.0],
        singular_entropy_centred=[0.1, 0.2],
    )
    heads = {"suite": "s", "model": "m", "initialisation": "svd", "hidden_size": 128, "source": "ours"}
    gap = {"full_rank_gap": 0.01, "full_rank_gap_low": 0.0, "full_rank_gap_high": 0.02}
    costs = filled(
        "head_costs", rank=[32, 64], cost_nats=[0.4, 0.1], cost_low=[0.3, 0.08], cost_high=0.5, **heads, **gap
    )
    bound = {"suite": "s", "model": "m", "head": "pretrained", "rank": 32, "w_error": 0.7}
    gaps = {"method": ["truncated", "weighted_centred"], "gap_nats": [2.0, 1.9]}
    bounds = filled("bottleneck_bound", **gaps, gap_low=1.8, gap_high=2.2, paper_bound=30.0, **bound)
    saturation = filled("table_saturation", model=["m"], final_step=7, anisotropy_layers=0.4)
    scores = filled(
        "ability_scores", model="m", task="cloze", step=[1, 7], num_fewshot=0, metric="acc", value=[0.3, 0.6]
    )
    for folder in ("tables", "metrics/s/m/0", "abilities/s/m/0"):
        (tmp_path / folder).mkdir(parents=True)
    write_frame("checkpoint_metrics", tmp_path / "metrics/s/m/0/checkpoint_metrics.parquet", metrics)
    write_frame(
        "ability_scores", tmp_path / "abilities/s/m/0/ability_scores.parquet", scores.assign(chance=0.25, stderr=0.1)
    )
    for name, schema, table in (
        ("head_costs", "head_costs", costs),
        ("bottleneck_bound", "bottleneck_bound", bounds),
        ("saturation", "table_saturation", saturation),
    ):
        write_csv(schema, tmp_path / "tables" / f"{name}.csv", table)
    return tmp_path


def test_a_run_gives_the_numbers_of_its_last_step(results):
    table = pd.DataFrame(list(run_rows(results)))
    assert list(table) == list(table_columns("real_weights"))
    one = table.set_index(["quantity", "rank"]).sort_index()
    assert one.loc[("cross_entropy_nats", np.nan), "value"] == 3.0
    assert one.loc[("cross_entropy_nats", np.nan), "high"] == pytest.approx(3 + 1.959964 * 0.01)
    assert one.loc[("anisotropy_layers", np.nan), "value"] == 0.4
    assert one.loc[("head_cost_svd", 64), ["value", "low", "high"]].tolist() == [0.1, 0.08, 0.5]
    assert one.loc[("full_rank_gap_svd", np.nan), "high"] == 0.02
    assert one.loc[("w_error", 32), "value"] == 0.7
    assert one.loc[("cut_cost", 32), ["value", "low", "high"]].tolist() == [2.0, 1.8, 2.2]
    assert one.loc[("weighted_cut_cost", 32), "value"] == 1.9
    assert one.loc[("cut_bound", 32), "value"] == 30.0
    assert one.loc[("cloze_accuracy", np.nan), "low"] == pytest.approx(0.6 - 0.1959964)
    assert not table.duplicated(["model", "quantity", "rank"]).any()
    assert quantities(table).loc[0, "singular_entropy_centred"] == 0.2
    heads = trained_heads(table)
    assert heads[["model", "initialisation", "hidden_size", "rank"]].to_numpy().tolist() == [
        ["m", "svd", 128, 32],
        ["m", "svd", 128, 64],
    ]


def test_verdicts_on_real_weights(results):
    table = pd.DataFrame(list(run_rows(results)))
    rows = judged({"real_weights": table}, REAL)
    assert rows["degeneration_is_unseen"]["ours"] == pytest.approx(0.2)
    assert rows["degeneration_is_unseen"]["verdict"] == "yes"
    assert rows["most_layers_anisotropic"]["verdict"] == REPRODUCED  # .4 is above .2
    assert rows["last_layer_dichotomy"]["verdict"] == REPRODUCED  # .2 is within .25 of 0
    assert rows["small_models_saturate"]["verdict"] == NOT_TESTED
    assert (rows["small_heads_hurt"]["ours"], rows["small_heads_hurt"]["verdict"]) == (0.1, REPRODUCED)  # rank d / 2
    untrained = table.assign(high=table.high.where(table.quantity != "full_rank_gap_svd", 0.2))
    assert judged({"real_weights": untrained}, REAL)["small_heads_hurt"]["verdict"] == NOT_TESTED


def test_models_trained_here_are_asked_the_same():
    saturation = filled("table_saturation", model=["a", "b"], tokens_per_parameter=[30, 3])
    saturation = saturation.assign(singular_entropy_final=[1.0, 1.0], singular_entropy_centred_final=[0.9, 0.1])
    row = judged({"saturation": saturation}, HERE)["degeneration_is_unseen"]
    assert (row["curves"], row["ours"], row["verdict"]) == (1, 0.9, "no")
