"""Seeds of Pythia: counts that were worked by hand on the published file, and a plain loop."""

import numpy as np
import pandas as pd
import pytest

from lm_saturation.evidence.gemstones import gemstone_increases
from lm_saturation.evidence.pythia_seeds import ERROR, seed_runs
from tests.conftest import RESOURCES
from tests.report.judging import empty, judged

CHECKPOINTS = pd.read_csv(RESOURCES / "pythia_seeds.csv.xz")
GEMSTONES = pd.read_csv(RESOURCES / "gemstones.csv.xz")


def test_counts_by_size_are_those_worked_by_hand():
    runs = seed_runs(CHECKPOINTS)
    assert len(runs) == 42
    own = runs[~runs.seed.str.startswith("warmup")]
    rises = own[own.increase > 0.001].groupby("size").size()
    assert rises.to_dict() == {"14m": 10, "70m": 9, "160m": 5, "410m": 2}
    assert own.groupby("size").size()[["14m", "70m", "160m", "410m"]].tolist() == [10, 10, 10, 5]


def test_the_papers_160m_is_the_worst_of_ten():
    runs = seed_runs(CHECKPOINTS).query("size == '160m'").set_index("seed")
    assert runs.increase["standard"] == pytest.approx(0.0058, abs=5e-5)
    assert runs.increase.drop("standard").max() == pytest.approx(0.0024, abs=5e-5)
    assert runs.unigram_final["standard"] == pytest.approx(11.88, abs=0.005)
    assert runs.unigram_final.drop("standard").between(8.6, 9.9).all()


def test_spikes_of_410m_leave_the_loss_on_unigram_text_alone():
    runs = seed_runs(CHECKPOINTS).query("size == '410m' and increase > 0.001")
    assert runs.seed.tolist() == ["seed3", "seed4"]
    assert (runs.unigram_increase < 0.2).all()


def test_rows_are_those_of_a_plain_loop():
    runs = seed_runs(CHECKPOINTS).set_index(["size", "seed"])
    late = CHECKPOINTS[CHECKPOINTS.step >= 1000]
    for (size, seed), row in runs.iterrows():
        run = late[(late.model == f"pythia-{size}") & (late.variant == seed)].sort_values("step")
        values = run.js_model_token.tolist()
        assert row.increase == values[-1] - min(values)
        assert row.best_step == run.step.tolist()[values.index(min(values))]


def test_the_bound_on_the_error_is_the_worst_case():
    """No values in [0, ln 2] spread further than half of them at either end."""
    worst = np.repeat([0, np.log(2)], 50_000)
    assert worst.std() / np.sqrt(2.1e6) == pytest.approx(ERROR)


def test_narrow_gemstones():
    runs = gemstone_increases(GEMSTONES)
    narrow = runs[runs.hidden_size < 1000]
    assert len(runs) == 44
    assert narrow.model.nunique() == 13
    assert narrow.increase.max() == pytest.approx(0.0135, abs=5e-5)
    curve = GEMSTONES[(GEMSTONES.model == "384x13") & (GEMSTONES.corpus == "fineweb_edu")].sort_values("step").loss_nats
    found = runs[(runs.model == "384x13") & (runs.corpus == "fineweb_edu")].increase.item()
    assert found == curve.iloc[-1] - curve.min()


def test_what_they_say():
    tables = {"seed_runs": seed_runs(CHECKPOINTS), "gemstones": gemstone_increases(GEMSTONES)}
    found = judged(tables, "published runs")
    small = found["small_models_saturate"]
    assert (small["verdict"], small["agreeing"], small["curves"]) == ("in part", 28, 37)
    assert found["the_seed_decides"]["verdict"] == "yes"
    assert found["narrow_gemstones_saturate"]["verdict"] == "in part"


def test_seeds_that_are_alike_or_unknown_decide_nothing():
    alike = seed_runs(CHECKPOINTS).assign(increase=0.01, increase_low=0.009, increase_high=0.011)
    assert judged({"seed_runs": alike}, "published runs")["the_seed_decides"]["verdict"] == "no"
    unknown = alike.assign(increase=0.0005, increase_low=-0.002, increase_high=0.003)
    assert judged({"seed_runs": unknown}, "published runs")["the_seed_decides"]["verdict"] == "inconclusive"
    single = alike[:1]
    assert judged({"seed_runs": single}, "published runs")["the_seed_decides"]["verdict"] == "not tested here"


@pytest.mark.parametrize(("models", "sign", "verdict"), [(9, 1, "yes"), (9, -1, "no"), (7, 1, "not tested here")])
def test_unigram_text_tells_of_models_measured_here(models, sign, verdict):
    table = empty("saturation")
    table["difference"] = 0.01 * np.arange(models)
    table["late_checkpoints"] = 20
    table["loss_on_unigram_text_minimum"] = 9.0
    table["loss_on_unigram_text_final"] = 9 + np.exp(sign * table.difference)
    assert judged({"saturation": table})["unigram_text_tells"]["verdict"] == verdict
