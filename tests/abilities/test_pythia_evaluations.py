"""Published evaluations: read from a checkout, by their record, each value traced to its path."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lm_saturation.abilities.pythia_evaluations import published_scores, read_checkout
from lm_saturation.errors import InputError
from lm_saturation.io.tables import read_table
from tests.conftest import RESOURCES

EVALUATIONS, MODELS = RESOURCES / "pythia_evaluations.csv.xz", RESOURCES / "pythia_models.csv"
EXTRACT = Path("../shared/data/pythia-evals.csv.gz")
KEYS = ["suite_version", "model", "num_fewshot", "step", "task", "metric", "source_path"]
TOKENS = 299_892_736_000  # that every Pythia model saw (arXiv 2304.01373)


@pytest.fixture(scope="module")
def evaluations():
    return pd.read_csv(EVALUATIONS)


@pytest.fixture(scope="module")
def models():
    return pd.read_csv(MODELS)


@pytest.fixture(scope="module")
def scores(evaluations, models):
    return published_scores(evaluations, models)


def write(root, path, shots, results):
    file = root / "evals" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"results": results, "config": {"num_fewshot": shots}}))


@pytest.fixture
def checkout(tmp_path):
    write(tmp_path, "pythia-v0/pythia-70m/five-shot/70m_step3000.json", 0, {"sciq": {"acc": 0.7, "acc_stderr": 0.01}})
    subjects = {
        f"hendrycksTest-{name}": {"acc": 0.1 * place, "acc_stderr": 0.03} for place, name in enumerate("abc", 1)
    }
    lambada = {"lambada_openai": {"ppl": 20.0, "ppl_stderr": 1.0, "acc": 0.3, "acc_stderr": 0.01}}
    write(tmp_path, "pythia-v1/pythia-70m/zero-shot/70m_step5.json", 0, subjects | lambada)
    write(tmp_path, "pythia-v1/pythia-70m/intervention/70m_step7.json", 0, lambada)
    return tmp_path


def test_a_checkout_is_read_by_what_its_files_record(checkout):
    evaluations = read_checkout(checkout).set_index(["suite_version", "task", "metric"])
    assert len(evaluations) == 4  # nothing of the study of bias
    assert tuple(evaluations.loc[("v0", "sciq", "acc"), ["num_fewshot", "folder_num_fewshot", "step"]]) == (0, 5, 3000)
    mmlu = evaluations.loc[("v1", "mmlu", "acc")]
    assert (mmlu.value, mmlu.stderr) == pytest.approx((0.2, 0.03 / np.sqrt(3)))
    assert evaluations.loc[("v1", "lambada_openai", "perplexity"), "value"] == 20
    assert evaluations.source_path.iloc[0] == "evals/pythia-v0/pythia-70m/five-shot/70m_step3000.json"


def test_the_rule_writes_what_resources_hold(checkout, run_script, tmp_path):
    target = tmp_path / "evaluations.csv.xz"
    run_script("abilities/ability_extract.py", output=[target], params={"checkout": str(checkout)})
    pd.testing.assert_frame_equal(pd.read_csv(target), read_checkout(checkout), check_dtype=False)
    assert list(pd.read_csv(target)) == list(pd.read_csv(EVALUATIONS))


@pytest.mark.parametrize("spoil", ["folder", "record", "step"])
def test_a_folder_that_is_no_checkout_is_named(spoil, checkout):
    if spoil == "folder":
        (checkout / "evals" / "pythia-v0").rename(checkout / "evals" / "other")
        expected = "no checkout of EleutherAI/pythia"
    elif spoil == "record":
        next(checkout.glob("**/*step5.json")).write_text("{}")
        expected = "step5.json: not an evaluation"
    else:
        path = next(checkout.glob("**/*step5.json"))
        path.rename(path.with_name("final.json"))
        expected = "its name has no step"
    with pytest.raises(InputError, match=expected):
        read_checkout(checkout)


def test_the_extract_made_elsewhere_holds_the_same_values(evaluations):
    if not EXTRACT.exists():
        pytest.skip(f"{EXTRACT} is not here: the resource cannot be compared with an extract made by another program")
    extract = pd.read_csv(EXTRACT)
    extract["metric"] = extract.metric.replace("ppl", "perplexity")
    both = evaluations.merge(extract, on=KEYS, how="outer", suffixes=("", "_other"), indicator=True)
    assert (both._merge == "both").all()
    assert len(both) == 19_155
    np.testing.assert_allclose(both.value, both.value_other, rtol=1e-12)
    known = both.stderr_other.notna()
    np.testing.assert_array_equal(both.stderr[known], both.stderr_other[known])


def test_every_number_of_the_table_is_at_the_path_that_it_names(evaluations, scores):
    both = scores.merge(
        evaluations.assign(suite="pythia-" + evaluations.suite_version, short=evaluations.model.str[7:]),
        left_on=["suite", "model", "step", "num_fewshot", "task", "metric", "source"],
        right_on=["suite", "short", "step", "num_fewshot", "task", "metric", "source_path"],
        how="left",
    )
    assert len(both) == len(scores)
    np.testing.assert_array_equal(both.value_x, both.value_y)
    for row in both.sample(200, random_state=0).itertuples():
        assert f"/pythia-{row.short}/" in row.source_path or f"/pythia-{row.short}" in row.source_path
        assert f"step{row.step}" in row.source_path


def test_shots_are_those_of_the_record_and_repeats_agree(evaluations, scores):
    keys = ["suite_version", "model", "num_fewshot", "step", "task", "metric"]
    repeated = evaluations[evaluations.duplicated(keys, keep=False)]
    spread = repeated[repeated.metric.isin(["acc", "acc_norm"])].groupby(keys).value.agg(np.ptp)
    assert len(spread) > 1000
    assert spread.max() < 0.01
    assert not scores.duplicated(["suite", "model", "num_fewshot", "step", "task", "metric"]).any()
    small = scores[scores.model.str.endswith("tokBS")]
    assert set(small.num_fewshot) == {5}  # their folders name none
    assert set(scores[(scores.suite == "pythia-v0") & (scores.model == "160m")].num_fewshot) == {0}


def test_values_that_can_be_looked_up(scores):
    rows = scores[(scores.suite == "pythia-v1") & (scores.model == "160m") & (scores.num_fewshot == 0)]
    at = {(row.step, row.task, row.metric): row.value for row in rows.itertuples()}
    assert at[143000, "lambada_openai", "perplexity"] == pytest.approx(38.06, abs=0.01)
    assert at[143000, "lambada_openai", "acc"] == pytest.approx(0.3284, abs=1e-4)
    assert at[63000, "lambada_openai", "perplexity"] == pytest.approx(24.84, abs=0.01)
    assert at[143000, "sciq", "acc"] == 0.741
    assert at[143000, "arc_easy", "acc"] == pytest.approx(0.4352, abs=1e-4)


def test_every_model_saw_the_same_number_of_tokens(evaluations, models):
    last = evaluations.groupby(["suite_version", "model"]).step.max().reset_index()
    both = last.merge(models, on=["suite_version", "model"])
    assert set(both.step * both.tokens_per_step) == {TOKENS}
    assert len(both) == len(last) == len(models)


def test_a_model_that_is_not_listed_is_named(evaluations, models):
    with pytest.raises(InputError, match="pythia-12b, which"):
        published_scores(evaluations, models[models.model != "pythia-12b"])


def test_the_rule(run_script, tmp_path):
    target = tmp_path / "scores.parquet"
    run_script("abilities/ability_published.py", input={"evaluations": EVALUATIONS, "models": MODELS}, output=[target])
    scores = read_table("ability_scores", target).to_pandas()
    assert scores[scores.task == "sciq"].chance.eq(0.25).all()
    assert scores[scores.metric == "perplexity"].chance.isna().all()
