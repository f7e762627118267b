"""The readings of models trained here: from the tables of a run to the shipped table."""

import numpy as np
import pandas as pd
import pytest

from lm_saturation.errors import InputError
from lm_saturation.evidence.trained_here import COLUMNS, READINGS, checkpoint_rows
from lm_saturation.io.tables import table_columns, write_csv
from tests.conftest import RESOURCES
from tests.evidence.test_real_weights import filled
from tests.report.suite_tables import checkpoint_metrics, write_suite

STEPS = np.array([0, 10, 100, 400])


def metrics(suite, **columns):
    loss = np.array([7.0, 6.0, 4.0, 5.0])
    sizes = {"tokens": STEPS * 1000, "parameters": 50_000}
    return checkpoint_metrics(suite, "d16", STEPS, loss, **sizes, **columns)


@pytest.fixture
def results(tmp_path):
    """A run of a model and of a control, at four steps each."""
    rounded = {"loss_bfloat16": [7.0, 6.0, 4.0, 5.25], "loss_float16": [7.0, 6.0, None, 5.0]}
    both = [metrics("mini", singular_entropy=[0.0, 1.0, 2.0, 3.0], **rounded), metrics("planted")]
    write_suite(tmp_path / "metrics", pd.concat(both))
    (tmp_path / "tables").mkdir()
    numbers = {"difference": 1.0, "difference_low": 0.5, "difference_high": 1.5, "final_step": 400}
    unigram = {"loss_on_unigram_text_minimum": 4.0, "loss_on_unigram_text_final": 4.5}
    for name, suite, more in (("saturation", "mini", {}), ("controls", "planted", {"control": "positive"})):
        schema = f"table_{name}"
        table = filled(schema, suite=[suite], model="d16", **numbers, **unigram, **more)
        write_csv(schema, tmp_path / "tables" / f"{name}.csv", table[list(table_columns(schema))])
    return tmp_path


def test_a_row_a_checkpoint_after_the_first_of_them(results):
    table = checkpoint_rows(results)
    assert list(table) == COLUMNS
    assert table[["suite", "step"]].to_numpy().tolist() == [
        ["mini", 100], ["mini", 400], ["planted", 100], ["planted", 400]
    ]  # fmt: skip
    assert table.control.fillna("").tolist() == ["", "", "positive", "positive"]
    own = table.set_index(["suite", "step"])
    assert own.loc[("mini", 400), "bfloat16_cost"] == 0.25
    assert np.isnan(own.loc[("mini", 100), "float16_cost"])  # a logit overflows
    assert own.loc[("mini", 400), "tokens"] == 400_000
    values = np.arange(1.0, 3.0) ** -0.3 + [3.0, 0.0]  # tests.report.suite_tables.head_spectrum
    assert own.loc[("mini", 400), "singular_ratio"] == pytest.approx(values[1] / values[0])
    assert own.loc["mini"].loss_increase.tolist()[1:] == [1.0]
    assert own.loc["mini"].loss_increase_low.tolist()[1:] == [0.5]
    assert own.loc["mini"].unigram_increase.tolist()[1:] == [0.5]
    assert own.xs(100, level="step").loss_increase.isna().all()


def test_what_is_no_results_folder_is_said(results, tmp_path):
    with pytest.raises(InputError, match=r"none: no checkpoint_metrics\.parquet below it"):
        checkpoint_rows(tmp_path / "none")
    for name in ("saturation", "controls"):
        (results / "tables" / f"{name}.csv").unlink()
    with pytest.raises(InputError, match=r"neither tables/saturation\.csv nor"):
        checkpoint_rows(results)


def test_the_shipped_table_is_one_of_the_default_run():
    table = pd.read_csv(RESOURCES / "trained_here.csv")
    assert list(table) == COLUMNS
    ends = table[table.loss_increase.notna()]
    assert {*(ends.suite + "/" + ends.model)} == {
        *(f"mini/d{width}" for width in (8, 16, 24, 32, 64)), "control-positive/d16", "control-negative/d16"
    }  # fmt: skip
    assert (ends.step == ends.suite.map({"mini": 1000}).fillna(200)).all()
    assert table[READINGS].notna().all(axis=None)
    assert (ends.tokens == ends.step * ends.suite.map({"mini": 32}).fillna(16) * 128).all()
