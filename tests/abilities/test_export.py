"""The export of scores: the schema of every_eval_ever accepts it, and it says what the table of scores does."""

import json
import re

import jsonschema
import pandas as pd
import pytest
import yaml

from lm_saturation.abilities.export import DATASETS, SCALES, SCHEMA_VERSION, evaluation_logs, write_logs
from lm_saturation.abilities.origins import PUBLISHED, origin_of
from lm_saturation.abilities.pythia_evaluations import published_scores
from lm_saturation.abilities.score_scales import LOWER_IS_BETTER
from lm_saturation.config import read_experiment
from lm_saturation.errors import InputError
from lm_saturation.io.tables import write_frame
from tests.conftest import RESOURCES, ROOT

SCHEMA = json.loads((ROOT / "tests/abilities/every_eval_ever/eval.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
PLACE = r"data/[^/]+/[^/]+/[^/]+/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\.json"
EXPERIMENT = read_experiment(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))
ORIGINS = {"mini": origin_of("mini", EXPERIMENT.suites["mini"])}
ROW = {
    "suite": "mini",
    "model": "d16",
    "step": 150,
    "tokens": 614400,
    "parameters": 67000,
    "hidden_size": 16,
    "task": "cloze",
    "num_fewshot": 0,
    "metric": "acc",
    "value": 0.4,
    "stderr": 0.02,
    "items": 400,
    "chance": 0.25,
    "source": "step150, weights sha256 ab12",
}


def scores(*changes):
    return pd.DataFrame([ROW | change for change in changes])


def published():
    return published_scores(
        pd.read_csv(RESOURCES / "pythia_evaluations.csv.xz"), pd.read_csv(RESOURCES / "pythia_models.csv")
    )


def test_every_published_score_is_exported_and_valid(tmp_path):
    """Every score is compared; of each model the schema sees one checkpoint, since validation is slow."""
    table = published()
    assert write_logs(tmp_path, evaluation_logs(table, PUBLISHED, 0)) == len(table.groupby(["suite", "model", "step"]))
    found, seen = [], set()
    for file in tmp_path.rglob("*.json"):
        assert re.fullmatch(PLACE, file.relative_to(tmp_path).as_posix())
        log = json.loads(file.read_text(encoding="utf-8"), parse_constant=pytest.fail)  # no bare NaN or Infinity
        if log["model_info"]["id"] not in seen:
            VALIDATOR.validate(log)
            seen.add(log["model_info"]["id"])
        details = log["model_info"]["additional_details"]
        small_batch = "tokBS" in log["model_info"]["id"] or "bf16" in log["model_info"]["id"]
        assert details["model_availability"] == ("unknown" if small_batch else "open_weights")
        for result in log["evaluation_results"]:
            shots = int(result["generation_config"]["additional_details"]["num_fewshot"])
            config, score = result["metric_config"], result["score_details"]
            keys = (log["model_info"]["id"], int(details["step"]), result["evaluation_name"], shots)
            found.append((*keys, config["metric_name"], score["score"], score["details"]["source"]))
            assert float(config["min_score"]) <= score["score"] <= float(config["max_score"])
    ids = "EleutherAI/pythia-" + table.model + table.suite.map({"pythia-v0": "-v0", "pythia-v1": ""})
    columns = [table[name] for name in ("step", "task", "num_fewshot", "metric", "value", "source")]
    assert sorted(found) == sorted(zip(ids, *columns, strict=True))


def test_scores_measured_here_are_valid():
    every_metric = [{"metric": metric, "value": 1.0} for metric in SCALES]
    unknown = {"stderr": None, "items": None, "chance": None, "tokens": None}
    (first, second) = evaluation_logs(scores(*every_metric, {"step": 300} | unknown), ORIGINS, 1_700_000_000)
    for log in (first, second):
        VALIDATOR.validate(log)
        assert log["schema_version"] == SCHEMA_VERSION == SCHEMA["version"]
        assert log["retrieved_timestamp"] == "1700000000"
        assert log["model_info"]["id"] == "lm-saturation/mini-d16"
        assert log["source_metadata"]["evaluator_relationship"] == "first_party"
    assert [result["metric_config"]["lower_is_better"] for result in first["evaluation_results"]] == [
        metric in LOWER_IS_BETTER for metric in SCALES
    ]
    result = first["evaluation_results"][0]
    assert result["score_details"]["uncertainty"] == {"standard_error": {"value": 0.02}, "num_samples": 400}
    assert result["metric_config"]["additional_details"] == {"chance": "0.25"}
    assert result["source_data"]["additional_details"] == {"corpus": "python-source"}
    assert first["model_info"]["additional_details"]["training_tokens"] == "614400"
    assert "training_tokens" not in second["model_info"]["additional_details"]
    assert "uncertainty" not in second["evaluation_results"][0]["score_details"]


def test_the_schema_would_refuse_what_it_should():
    (log,) = evaluation_logs(scores({}), ORIGINS, 0)
    for broken in ({**log, "model_info": {}}, {**log, "more": 1}, {**log, "retrieved_timestamp": 0}):
        assert not VALIDATOR.is_valid(broken)


def test_the_same_scores_give_the_same_file_and_others_another(tmp_path):
    for folder, value in (("a", 0.4), ("b", 0.4), ("c", 0.5)):
        write_logs(tmp_path / folder, evaluation_logs(scores({"value": value}), ORIGINS, 0))
    first, again, other = (
        {file.name: file.read_bytes() for file in (tmp_path / name).rglob("*.json")} for name in "abc"
    )
    assert first == again
    assert not set(first) & set(other)


def test_owners_of_models():
    suites = {
        "poly": {"source": "hub", "repository": "EleutherAI/pythia-{model}", "revision": "step{step}"},
        "disk": {"source": "local", "path": "runs/{model}/{step}"},
    }
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    for name, suite in suites.items():
        config["suites"][name] = suite | {"models": ["a"], "corpus": "python-docs", "tokenizer": "bpe-2k"}
    read = read_experiment(config)
    found = {name: origin_of(name, read.suites[name]) for name in suites}
    assert {name: (origin.model_id, origin.relationship) for name, origin in found.items()} == {
        "poly": ("EleutherAI/pythia-{model}", "third_party"),
        "disk": ("local/disk-{model}", "other"),
    }


def test_a_metric_without_a_scale_is_refused():
    with pytest.raises(InputError, match=r"^no scale is known of the metric f1; known are acc, "):
        list(evaluation_logs(scores({"metric": "f1"}), ORIGINS, 0))


def test_data_sets_are_those_of_the_harness():
    from lm_eval.tasks import TaskManager
    from lm_eval.tasks._yaml_loader import load_yaml

    index = TaskManager().task_index
    names = {"arc_": "arc_easy", "mmlu": "mmlu_anatomy"}
    for begin, repository in DATASETS.items():
        path = index[names.get(begin, begin)].yaml_path
        assert load_yaml(path, resolve_func=False)["dataset_path"] == repository


def test_the_script_exports_published_scores_and_ours(run_script, tmp_path):
    files = {"published": tmp_path / "published.parquet", "scores": [tmp_path / "ours.parquet"]}
    write_frame("ability_scores", files["published"], published().head(40))
    write_frame("ability_scores", files["scores"][0], scores({}, {"step": 300}))
    told = run_script(
        "abilities/ability_export.py", input=files, output=[tmp_path / "out"], params={"origins": ORIGINS}
    )
    assert "ours.parquet: 2 checkpoints" in told
    logs = [json.loads(file.read_text()) for file in (tmp_path / "out").rglob("*.json")]
    versions = {log["source_metadata"]["source_name"]: log["eval_library"]["version"] for log in logs}
    assert versions["pythia-evals"] == "unknown"
    assert re.fullmatch(r"\d+\.\d+.*", versions["lm-saturation"])
    for log in logs:
        VALIDATOR.validate(log)
