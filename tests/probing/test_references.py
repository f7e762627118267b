"""Places among published models, against the tables themselves."""

import csv
import lzma

import numpy as np
import pytest
from scipy.stats import percentileofscore

from lm_saturation.probing.readings import ALL, read
from lm_saturation.probing.references import places, references
from tests.conftest import RESOURCES


def rows(name):
    path = RESOURCES / name
    with lzma.open(path, "rt") if path.suffix == ".xz" else path.open() as file:
        return list(csv.DictReader(file))


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
    (first, smollm2) = places("loss_on_unigram_text", 9.0)
    assert f"percentile {percentileofscore(ends, 9.0):.0f} of 42 " in first
    assert smollm2 == "SmolLM2-135M-Instruct: 8.08"


def test_trainings_that_saturate_and_those_that_do_not():
    groups = {reference.what: reference for reference in references()["unigram_increase"]}
    all_, certain, others = groups.values()
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
    assert places("anisotropy_centred", 0.1) == ["SmolLM2-135M-Instruct: 0.00275"]


def test_every_number_has_a_meaning_and_a_place_or_says_that_it_has_none():
    assert references().keys() <= ALL.keys()
    for reading in read(dict.fromkeys(ALL, 1.0)):
        assert reading.meaning
        assert reading.places


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_no_place_for_what_is_no_number(value):
    assert places("logit_offset", value) == []
