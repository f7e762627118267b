"""Places among published models, against the tables themselves."""

import csv
import lzma

import numpy as np
import pandas as pd
import pytest
from scipy.stats import percentileofscore

from lm_saturation import model_metrics, probe
from lm_saturation.errors import InputError
from lm_saturation.io.tables import table_columns, write_rows
from lm_saturation.probing.readings import ALL, read
from lm_saturation.probing.references import places, references, trained_models
from tests.conftest import RESOURCES
from tests.probing.small import small_model

NUMBERS = ("hidden_size", "tokens", "parameters", "logit_spread", "loss_increase", "loss_increase_low")  # of a table


def rows(name):
    path = RESOURCES / name
    with lzma.open(path, "rt") if path.suffix == ".xz" else path.open() as file:
        return list(csv.DictReader(file))


def real_model(quantity):
    (value,) = (float(row["value"]) for row in rows("real_weights.csv") if row["quantity"] == quantity)
    return f"SmolLM2-135M-Instruct: {value:.3g}"


def test_percentiles_of_published_trainings():
    offsets = [
        abs(float(row["logits_mean_mean"])) for row in rows("output_embeddings.csv") if row["method"] == "baseline"
    ]
    assert len(offsets) == 35
    for value in (-3.0, 100.0):
        first = places("logit_offset", value)[0]
        assert f"by its size, percentile {percentileofscore(offsets, abs(value), 'mean'):.0f} of 35 " in first
        assert f"({min(offsets):.3g} to {max(offsets):,.0f})" in first
    last = {row["model"]: float(row["anisotropy"]) for row in rows("figure_2_published.csv")}  # the last layer's
    (first, *_) = places("anisotropy", 0.5, 700)
    assert f"percentile {percentileofscore([*last.values()], 0.5):.0f} of 20 " in first
    assert f"pythia-160m (d = 768): {last['pythia-160m']:.3g}" in first


def test_unigram_loss_of_seeds():
    ends = [float(row["loss_on_unigram_text"]) for row in rows("pythia_seeds.csv.xz") if row["step"] == "143000"]
    first, smollm2, *_ = places("loss_on_unigram_text", 9.0)
    assert f"percentile {percentileofscore(ends, 9.0):.0f} of 42 " in first
    assert smollm2 == real_model("loss_on_unigram_text")


def test_trainings_that_saturate_and_those_that_do_not():
    groups = {reference.what: reference for reference in references()["unigram_increase"]}
    all_, certain, others, *_ = groups.values()
    assert len(all_.values) == len(certain.values) + len(others.values) == 42
    assert np.median(certain.values) > 0.5 > np.median(others.values)


def test_a_few_are_counted_and_one_is_named():
    ends = {
        row["model"]: float(row["singular_entropy"])
        for row in rows("figure_5_published.csv")
        if row["step"] == "143000"
    }
    below = sum(value < 5.0 for value in ends.values())
    assert places("singular_entropy", 5.0)[0].startswith(f"above {below} of {len(ends)} ")
    assert places("anisotropy_centred", 0.1)[0] == real_model("anisotropy_centred")


def test_models_trained_here_by_size_and_by_how_their_loss_ends():
    table = [row | {name: float(row[name]) for name in NUMBERS if row[name]} for row in rows("trained_here.csv")]
    ends = [row for row in table if row["loss_increase"] != ""]
    usual = [row for row in ends if not row["control"] and row["loss_increase_low"] <= 0]
    assert len(usual) == sum(not row["control"] for row in ends) >= 5  # none of them saturates
    biggest = max(usual, key=lambda row: row["hidden_size"])
    value = biggest["logit_spread"] + 1e-9
    *_, normal, planted = places("logit_spread", value, 100)
    below = f"above {sum(row['logit_spread'] < value for row in usual)} of {len(usual)} "
    assert normal.startswith(f"{below}models trained here, d = 8 to 64, no loss increase (")
    tokens = f"{biggest['tokens'] / biggest['parameters']:.0f} tokens/parameter"
    assert normal.endswith(f"; mini/d64, {tokens} (d = 64): {biggest['logit_spread']:.3g}")
    courses = [row["logit_spread"] for row in table if not row["control"]]
    assert f"; in training {min(courses):.3g} to {max(courses):.3g})" in normal
    with_, without = (next(row for row in ends if row["control"] == kind) for kind in ("positive", "negative"))
    assert with_["loss_increase_low"] > 0 >= without["loss_increase_low"]
    tokens = f"{with_['tokens'] / with_['parameters']:.0f} tokens/parameter"
    numbers = f"{with_['logit_spread']:.3g}; without: {without['logit_spread']:.3g}"
    assert planted == f"trained here, d = 16, {tokens}, planted loss increase: {numbers}"


def test_every_number_has_a_meaning_and_a_place_or_says_that_it_has_none():
    assert references().keys() <= ALL.keys()
    for reading in read(dict.fromkeys(ALL, 1.0)):
        assert reading.meaning
        assert reading.places


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_no_place_for_what_is_no_number(value):
    assert places("logit_offset", value) == []


ONES = dict.fromkeys(("parameters", "non_embedding_parameters", "layers", "head_rows", "vocabulary_size"), 1)
ONES |= {"tied": 0, "sample_tokens": 60, "sample_sha256": "0" * 64}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What a run leaves of two models at two steps each."""
    folder = tmp_path_factory.mktemp("results")
    ids = np.random.default_rng(0).integers(0, 290, (4, 16))
    rows = []
    for name, width in (("small", 16), ("large", 32)):
        for step in (0, 10):
            model = small_model(seed=step, hidden_size=width)
            metrics = model_metrics(model, ids, text_bytes=100).metrics
            known = {column: None if pd.isna(value) else value for column, value in metrics.items()}
            given = {"suite": "own", "model": name, "step": step, "hidden_size": width, "dtype": "float32"}
            rows.append({**dict.fromkeys(table_columns("checkpoint_metrics"), None), **ONES, **known, **given})
    rows = [{name: row[name] for name in table_columns("checkpoint_metrics")} for row in rows]
    write_rows("checkpoint_metrics", folder / "metrics" / "own" / "all" / "checkpoint_metrics.parquet", rows)
    return folder, rows


def test_beside_the_models_of_a_run(results):
    folder, rows = results
    ends = {row["hidden_size"]: row for row in rows if row["step"] == 10}
    beside = trained_models(folder)
    found = places("anisotropy", 2.0, 30, beside)[-1]
    assert found.startswith(f"above 2 of 2 models below {folder} (")
    assert found.endswith(f"own/large (d = 32): {ends[32]['anisotropy']:.3g}")
    (cost,) = beside["bfloat16_cost"]
    assert sorted(cost.values) == sorted(row["loss_bfloat16"] - row["loss_float32"] for row in ends.values())
    health = probe(small_model(), None, np.arange(200).reshape(4, 50), beside=folder)
    assert sum(str(folder) in reading.place for reading in health.readings) >= 8
    with pytest.raises(InputError, match=r"no checkpoint_metrics\.parquet below it"):
        trained_models(folder / "metrics" / "none")
