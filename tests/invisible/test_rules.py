"""Rule `offset_intervention` on tiny models, its figure, and what the questions make of its numbers."""

import numpy as np
import pandas as pd
import pytest

from lm_saturation.claims import CLAIMS
from lm_saturation.claims.base import HERE, NOT_TESTED, REAL
from lm_saturation.config import read_experiment
from lm_saturation.config.causes import InterventionOptions
from lm_saturation.config.metrics import HeldOut, MetricOptions
from lm_saturation.config.suites import WeightsOptions
from lm_saturation.evidence.real_weights import run_rows
from lm_saturation.io.tables import read_csv, read_table, write_csv
from lm_saturation.report.tables.table_offset_intervention import table_offset_intervention
from tests.config.defaults import changed
from tests.conftest import RESOURCES
from tests.heads.problems import write_model

WEIGHTS = WeightsOptions(
    trained_here=True, dtype="float32", first_token=None, bad_checkpoints="refuse", tokens_per_step=None
)
SAMPLE = MetricOptions(tokens=200, sequence_length=12, batch_size=3, random_text_tokens=0)
HELD_OUT = HeldOut(share=0.3, minimum_documents=1, seed=0)
OPTIONS = InterventionOptions(tokens=200, loss_tokens=150, offsets=[500.0])


@pytest.fixture
def changed_models(tmp_path, run_script):
    """Run `offset_intervention` on models of these families; gives its rows and where they lie."""

    def run(*families, made=False, **changes):
        folders = [tmp_path / family if made else write_model(tmp_path / family, family) for family in families]
        files = {
            "checkpoints": [str(folder / "span") for folder in folders],
            "tokenizer": str(folders[0] / "tokenizer.json"),
            "tokens": [str(folders[0] / f"{number}.json") for number in range(2)],
            **{f"figure_{number}": str(RESOURCES / f"figure_{number}_published.csv") for number in (2, 4, 5)},
        }
        params = {
            "models": list(families),
            "weights": WEIGHTS.model_copy(update=changes),
            "sample": SAMPLE,
            "options": OPTIONS,
            "held_out": HELD_OUT,
        }
        path = tmp_path / "causes" / "s" / "offset_intervention.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        run_script("causes/offset_intervention.py", input=files, output=[path], params=params, wildcards={"suite": "s"})
        return read_table("offset_intervention", path).to_pandas()

    return run


@pytest.mark.parametrize("family", ["gpt_neox", "llama", "gptj"])
def test_models_keep_their_loss(changed_models, family):
    rows = changed_models(family)
    assert rows[["suite", "model", "step"]].drop_duplicates().to_numpy().tolist() == [["s", family, 5]]
    exact = rows[rows.precision == "float64"].set_index("state").loss_change_nats
    assert exact.drop(["moved", "cut"]).abs().max() < 1e-12
    assert exact["moved"] > 0.01


def test_a_model_that_caps_its_logits_is_left_out(changed_models):
    assert changed_models("gemma2", "gpt_neox").model.unique().tolist() == ["gpt_neox"]


def test_a_damaged_checkpoint_stops_the_job_or_gives_way_to_the_one_before(changed_models, tmp_path):
    write_model(tmp_path / "llama", "llama")
    (tmp_path / "llama/span/step5/model.safetensors").write_bytes(b"x")
    assert changed_models("llama", made=True, bad_checkpoints="skip").step.unique().tolist() == [0]
    with pytest.raises(SystemExit, match="step5"):
        changed_models("llama", made=True)


def test_the_questions_from_a_run_and_from_shipped_numbers(changed_models, tmp_path, run_script):
    table = table_offset_intervention(changed_models("gpt_neox"))
    path = tmp_path / "offset_intervention.csv"
    write_csv("table_offset_intervention", path, table)
    known = {"offset_intervention": read_csv("table_offset_intervention", path)}
    shipped = {"real_weights": pd.DataFrame(list(run_rows(tmp_path)))}
    for name in ("collapse_can_be_had_for_nothing", "offsets_say_what_rounding_costs"):
        here, real = CLAIMS[name].row(HERE, known), CLAIMS[name].row(REAL, shipped)
        assert here["ours"] == pytest.approx(real["ours"], rel=1e-4, abs=1e-12)
        assert (here["verdict"], here["curves"]) == (real["verdict"], real["curves"])
    files = {"interventions": [str(tmp_path / "causes/s/offset_intervention.parquet")]}
    output = {kind: str(tmp_path / f"figure.{kind}") for kind in ("pdf", "png", "csv")}
    run_script("report/figure_invisible.py", input=files, output=output, params={})
    assert len(pd.read_csv(output["csv"])) == 5 * 4 + 3


def row(**changed):
    reached = {"entropy_target": 3.0, "singular_entropy": 3.0, "sigma_ratio_target": 0.05, "sigma_ratio": 0.05}
    row = {"suite": "s", "model": "m", "state": "produced", "asked_offset": np.nan, "float32_change": 1e-7}
    return row | reached | {"anisotropy": 0.99, "anisotropy_target": 0.98} | changed


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "yes"),
        ({"float32_change": -3e-6}, "no"),
        ({"singular_entropy": 2.9}, "no"),
        ({"sigma_ratio": 0.06}, "no"),
        ({"anisotropy": 0.9}, "no"),
        ({"state": "moved"}, NOT_TESTED),
    ],
)
def test_collapse_for_nothing(changes, verdict):
    table = pd.DataFrame([row(**changes)])
    assert CLAIMS["collapse_can_be_had_for_nothing"].row(HERE, {"offset_intervention": table})["verdict"] == verdict


@pytest.mark.parametrize(
    ("cost", "predicted", "verdict"),
    [(0.1, 0.15, "yes"), (0.1, 0.21, "no"), (0.1, 0.04, "no"), (0.1, 0.01, NOT_TESTED), (np.nan, 0.1, NOT_TESTED)],
)
def test_rounding_by_offset(cost, predicted, verdict):
    halves = {"bfloat16_cost": cost, "bfloat16_predicted": predicted, "float16_cost": 0.0, "float16_predicted": 0.0}
    table = pd.DataFrame([row(state="offset", asked_offset=64.0, **halves)])
    assert CLAIMS["offsets_say_what_rounding_costs"].row(HERE, {"offset_intervention": table})["verdict"] == verdict


def test_suites_are_those_measured_but_for_the_hub():
    assert read_experiment(changed("metrics/tokens", 900)).intervention_suites == ["mini"]
    assert read_experiment(changed("causes/intervention/suites", [])).intervention_suites == []


@pytest.mark.parametrize(("tokens", "expected"), [(900, 900), (90_000, 4096)])
def test_the_sample_is_no_larger_than_that_of_the_metrics(tokens, expected):
    sample = read_experiment(changed("metrics/tokens", tokens)).intervention_sample("mini")
    assert (sample.tokens, sample.random_text_tokens, sample.sequence_length) == (expected, 0, 128)
