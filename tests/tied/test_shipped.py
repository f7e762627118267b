"""What a run has trained is put into the tables that are shipped."""

import pandas as pd
import pytest

from lm_saturation.io.tables import read_csv, table_columns, write_csv
from lm_saturation.tied.shipped import KEYS, write_shipped
from tests.conftest import RESOURCES
from tests.report.suite_tables import write
from tests.tied.runs import rates_table, training_table

PLAIN = {("plain", 0): [8.0, 6.0, 5.0, 4.0], ("plain", 1): [8.0, 6.2, 5.2, 4.1]}


def ship(folder, losses):
    """The two tables after a run with these curves, each remedy at the loss of its first seed less .1 as tried."""
    halves = {remedy: curve[-1] + 0.1 for (remedy, seed), curve in losses.items() if seed == 0}
    place = folder / "run" / "tied" / "bpe-2k" / "0" / "any"
    place.mkdir(parents=True, exist_ok=True)
    write("tied_training", place / "tied_training.parquet", training_table(losses))
    write("tied_rates", place / "tied_rates.parquet", rates_table(halves))
    write_shipped(folder, folder / "run")
    return [read_csv(table, folder / f"{table}.csv") for table in KEYS]


@pytest.fixture
def folder(tmp_path):
    for table in KEYS:
        write_csv(table, tmp_path / f"{table}.csv", pd.DataFrame(columns=list(table_columns(table))))
    return tmp_path


def test_a_later_run_adds_and_replaces(folder):
    runs, rates = ship(folder, PLAIN)
    assert runs.final_nats.tolist() == [4.0, 4.1]
    assert runs.threshold_nats.unique() == pytest.approx(5.1)
    assert runs.doubling_gain.tolist() == [pytest.approx(0.1 / 4), pytest.approx(float("nan"), nan_ok=True)]
    assert len(rates) == 2
    swap = {("swap", 0): [7.0, 5.1, 4.8, 3.9], ("swap", 1): [7.0, 6.0, 5.1, 4.2]}
    runs, rates = ship(folder, swap)
    assert runs.remedy.tolist() == ["plain", "plain", "swap", "swap"]
    assert runs.threshold_nats.unique() == pytest.approx(5.1)  # of the plain models that were shipped
    assert runs.steps_to_loss[2:].tolist() == pytest.approx([10, 20])
    assert rates.groupby("remedy").is_best.sum().tolist() == [1, 1]
    runs, rates = ship(folder, {("swap", 0): [7.0, 5.1, 4.8, 3.7]})
    assert runs.final_nats.tolist() == [4.0, 4.1, 3.7, 4.2]
    assert len(rates) == 4


def test_the_shipped_tables_belong_together():
    runs, rates = (read_csv(table, RESOURCES / f"{table}.csv") for table in KEYS)
    best = rates[rates.is_best == 1]
    keys = [*KEYS["tied_runs"], "learning_rate"]
    first = runs[runs.doubling_gain.notna()]
    both = first.merge(best, on=keys, suffixes=("", "_half"))
    assert len(both) == len(best)
    assert (both.steps_half * 2 == both.steps).all()
    assert both.doubling_gain.to_numpy() == pytest.approx((both.loss_nats / both.final_nats - 1).to_numpy(), abs=1e-5)
