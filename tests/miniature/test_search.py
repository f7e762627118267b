"""The search for saturation: what it measures, what a recipe's rise is, its rule and its questions."""

import numpy as np
import pandas as pd
import pytest
import torch

from lm_saturation.claims import CLAIMS
from lm_saturation.claims.base import HERE, NOT_TESTED, SHIPPED
from lm_saturation.config.causes import SaturationSearchOptions
from lm_saturation.config.metrics import HeldOut, MetricOptions
from lm_saturation.config.suites import TrainedModel, WeightsOptions
from lm_saturation.in_memory import model_metrics
from lm_saturation.io.tables import read_csv, read_table
from lm_saturation.metrics.evaluation_spec import EvaluationFiles, read_spec
from lm_saturation.miniature.measured import Sample, measure
from lm_saturation.miniature.recipes import increases, recipe_rows
from lm_saturation.miniature.search import checkpoint_steps, recipes_of
from lm_saturation.miniature.shipped import write_shipped
from lm_saturation.stacked.weights import layout_of, stack
from lm_saturation.training.gpt_neox import build_model
from tests.conftest import RESOURCES
from tests.heads.problems import VOCABULARY, write_model

LENGTH = 12
OPTIONS = SaturationSearchOptions(
    tokens_per_parameter=1, sequence_length=LENGTH, checkpoints=8, held_out_tokens=200, random_text_tokens=100
)
HELD_OUT = HeldOut(share=0.3, minimum_documents=1, seed=0)
WEIGHTS = WeightsOptions(
    trained_here=True, dtype="float32", first_token=None, bad_checkpoints="refuse", tokens_per_step=None
)
SAMPLE = MetricOptions(tokens=200, sequence_length=LENGTH, random_text_tokens=100)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = write_model(tmp_path_factory.mktemp("text"))
    return {"tokenizer": str(folder / "tokenizer.json"), "tokens": [str(folder / f"{n}.json") for n in range(2)]}


def test_measures_what_the_metrics_measure(files):
    """The same numbers as lm_saturation.metrics of each model alone."""
    spec = read_spec(EvaluationFiles(**files), WEIGHTS, SAMPLE, HELD_OUT)
    shape = {"width": 8, "layers": 2, "attention_heads": 1, "learning_rate": 1.0}
    models = [build_model(TrainedModel(**shape, seed=seed), VOCABULARY, LENGTH) for seed in range(3)]
    layout = layout_of(models[0])
    sample = Sample.of(spec)
    found = measure(layout, stack(layout, models), sample)
    assert sample.weights.sum() == spec.sample.targets.size
    for place, model in enumerate(models):
        alone = model_metrics(
            model.eval(), torch.from_numpy(np.hstack([spec.sample.inputs, spec.sample.targets[:, -1:]]))
        )
        loss = found.documents[place] @ sample.weights / sample.weights.sum()
        assert loss == pytest.approx(alone.metrics["cross_entropy_nats"], rel=1e-6)
        for name in ("singular_entropy", "singular_entropy_centred", "anisotropy"):
            assert found.shapes[name][place] == pytest.approx(alone.metrics[name], rel=1e-4, abs=1e-6)
        assert found.shapes["logit_offset"][place] == pytest.approx(alone.metrics["logit_offset_size"], rel=1e-4)
        unigram = torch.from_numpy(spec.random_text.unigram)
        logits = model(unigram[:, :-1]).logits.detach().flatten(0, 1)
        expected = torch.nn.functional.cross_entropy(logits, unigram[:, 1:].flatten())
        assert found.shapes["loss_on_unigram_text"][place] == pytest.approx(float(expected), rel=1e-5)


def test_the_window_of_lowest_loss_is_chosen_on_the_other_seeds():
    losses = np.array([[3.0, 1.0, 2.0, 2.5], [3.0, 2.0, 1.0, 2.5]])
    assert increases(losses).tolist() == [0.5, 0.5]  # each judged where the other is lowest
    assert increases(losses[:1]).tolist() == [1.5]


def test_noise_alone_is_no_rise():
    """Of 2,000 flat recipes of three seeds the mean rise is at most 0; that from each seed's own minimum is not."""
    random = np.random.default_rng(0)
    flat = random.standard_normal((2000, 3, 12))
    assert np.mean([increases(losses).mean() for losses in flat]) == pytest.approx(0, abs=0.05)
    assert (flat[..., -1] - flat.min(2)).mean() > 1.5


def test_steps_are_evenly_spaced():
    assert checkpoint_steps(1000, 8) == [125, 250, 375, 500, 625, 750, 875, 1000]


def test_all_combinations():
    recipes = recipes_of(OPTIONS)
    assert len(recipes) == len(set(recipes)) == 24
    assert [recipe.seed for recipe in recipes[:4]] == [0, 1, 2, 0]


def test_the_rule_and_what_is_made_of_it(files, tmp_path, run_script):
    folder = tmp_path / "causes" / "c" / "t" / "4" / "4"
    folder.mkdir(parents=True)
    paths = {name: str(folder / f"{file}.parquet") for name, file in FILES.items()}
    params = {"options": OPTIONS, "weights": WEIGHTS, "sample": SAMPLE, "held_out": HELD_OUT}
    wildcards = {"corpus": "c", "tokenizer": "t", "width": "4", "batch_size": "4"}
    run_script("causes/saturation_search.py", input=files, output=paths, params=params, wildcards=wildcards)
    runs = read_table("saturation_search", paths["runs"]).to_pandas()
    curves = read_table("saturation_search_curves", paths["curves"]).to_pandas()
    assert (len(runs), len(curves)) == (24, 48)
    assert (runs.difference_low <= runs.difference_nats + 1e-9).all()
    assert runs.tokens_per_parameter.iloc[0] == pytest.approx(1, abs=0.5)
    write_shipped(tmp_path, [tmp_path])
    written = read_csv(FILES["runs"], tmp_path / "saturation_search.csv")
    assert written.loss_final_nats.tolist() == pytest.approx(runs.loss_final_nats.tolist(), rel=1e-5)
    shipped = {f"shipped_{name}": str(RESOURCES / f"{file}.csv") for name, file in FILES.items()}
    inputs = shipped | {name: [path] for name, path in paths.items()}
    tables = {name: str(tmp_path / f"{name}.csv") for name in ("saturation_search", "shipped_search")}
    run_script("report/table_saturation_search.py", input=inputs, output=tables)
    assert len(pd.read_csv(tables["saturation_search"])) == 8
    figure = {kind: str(tmp_path / f"figure.{kind}") for kind in ("pdf", "png", "csv")}
    run_script("report/figure_miniature.py", input=inputs, output=figure, params={})
    assert set(pd.read_csv(figure["csv"]).source) == {"shipped", "this run"}


FILES = {"runs": "saturation_search", "curves": "saturation_search_curves"}


def recipe(increase, half=0.001, **changed):
    keys = {
        "corpus": "c", "tokenizer": "t", "vocabulary_size": 300, "hidden_size": 4, "batch_size": 16,
        "tokens_per_parameter": 2000.0, "learning_rate": 0.1, "schedule": "constant", "weight_decay": 0.1,
        "precision": "float32",
    }  # fmt: skip
    ends = {"increase_nats": increase, "increase_low": increase - half, "increase_high": increase + half}
    return keys | ends | {"seeds": 3, "entropy_centred_share": 0.2} | changed


@pytest.mark.parametrize(
    ("recipes", "verdict"),
    [
        ([recipe(0.05), recipe(0.0)], "yes"),
        ([recipe(0.0), recipe(-0.01)], "no"),
        ([recipe(0.0), recipe(0.004, half=0.003)], "inconclusive"),
        ([recipe(0.05, half=0.05)], "inconclusive"),
        ([recipe(0.05, seeds=2)], NOT_TESTED),
        ([], NOT_TESTED),
    ],
)
def test_one_recipe_that_rises_is_enough(recipes, verdict):
    table = pd.DataFrame(recipes, columns=list(recipe(0.0)))
    for source, name in ((HERE, "saturation_search"), (SHIPPED, "shipped_search")):
        assert CLAIMS["saturation_in_miniature"].row(source, {name: table})["verdict"] == verdict


@pytest.mark.parametrize(
    ("recipes", "verdict"),
    [
        ([recipe(0.0, entropy_centred_share=0.7)], "yes"),
        ([recipe(0.0)], "no"),
        ([recipe(0.0), recipe(0.0, entropy_centred_share=0.7)], "in part"),
        ([recipe(0.05, entropy_centred_share=0.7)], NOT_TESTED),
    ],
)
def test_collapse_without_saturation(recipes, verdict):
    table = pd.DataFrame(recipes)
    assert CLAIMS["collapse_without_saturation"].row(HERE, {"saturation_search": table})["verdict"] == verdict


def test_longer_trainings_are_other_recipes():
    """The same models with a part of the shipped tokens, as if searched in two runs, do not mix."""
    runs, curves = (pd.read_csv(RESOURCES / f"{file}.csv") for file in FILES.values())
    shorter = [table.assign(tokens_per_parameter=table.tokens_per_parameter / 2) for table in (runs, curves)]
    both = recipe_rows(pd.concat([runs, shorter[0]]), pd.concat([curves, shorter[1]]))
    alone = recipe_rows(runs, curves)
    assert len(both) == 2 * len(alone)
    assert both.increase_nats.tolist() == pytest.approx([*alone.increase_nats] * 2)


def test_the_shipped_tables_belong_together():
    runs, curves = (pd.read_csv(RESOURCES / f"{file}.csv") for file in FILES.values())
    recipes = recipe_rows(runs, curves)
    assert len(curves) == 12 * len(runs)
    assert recipes.seeds.sum() == len(runs)
