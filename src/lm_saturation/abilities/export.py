"""Scores of checkpoints in the schema of every_eval_ever, version 0.3.0 (arXiv 2606.14516).

write_logs(folder, evaluation_logs(scores, origins, retrieved))

A checkpoint is a file, data/COLLECTION/OWNER/MODEL/UUID.json as in its datastore, with every task and metric in it. The
same scores give the same bytes: the UUID is made of what the file holds.
"""

import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lm_saturation.abilities.origins import Origin
from lm_saturation.abilities.score_scales import LOWER_IS_BETTER
from lm_saturation.config.abilities import MADE_TASKS
from lm_saturation.errors import InputError
from lm_saturation.io.atomic import write_json

SCHEMA_VERSION = "0.3.0"
UNBOUNDED = "Infinity"  # as the schema writes it
CHECKPOINT = ["suite", "model", "step"]
DIGEST = 12  # hexadecimal digits that tell evaluations of the same name apart
NOT_ON_HUB = ("tokBS", "-bf16")  # ends of names of published evaluations that name no repository known to be there
# Data sets of the hub, by the name that a task's begins with
DATASETS = {
    "arc_": "allenai/ai2_arc",
    "lambada_openai": "EleutherAI/lambada_openai",
    "logiqa": "EleutherAI/logiqa",
    "mmlu": "cais/mmlu",
    "piqa": "baber/piqa",
    "sciq": "allenai/sciq",
    "wikitext": "EleutherAI/wikitext_document_level",
    "winogrande": "allenai/winogrande",
    "wsc": "aps/super_glue",
}

Log = dict[str, Any]


@dataclass(frozen=True)
class Scale:
    """A metric, as other results of the datastore are joined with it."""

    metric_id: str
    unit: str
    minimum: float
    maximum: float | str


SCALES = {
    "acc": Scale("accuracy", "proportion", 0.0, 1.0),
    "acc_norm": Scale("lm_eval.acc_norm", "proportion", 0.0, 1.0),
    "correct_choice_prob": Scale("lm_saturation.correct_choice_prob", "probability", 0.0, 1.0),
    "correct_choice_prob_vocabulary": Scale("lm_saturation.correct_choice_prob_vocabulary", "probability", 0.0, 1.0),
    "brier": Scale("lm_saturation.brier", "squared probability", 0.0, 2.0),  # a sum over choices
    "perplexity": Scale("lm_eval.perplexity", "1/probability", 1.0, UNBOUNDED),
    "word_perplexity": Scale("lm_eval.word_perplexity", "1/probability", 1.0, UNBOUNDED),
    "byte_perplexity": Scale("lm_eval.byte_perplexity", "1/probability", 1.0, UNBOUNDED),
    "bits_per_byte": Scale("lm_eval.bits_per_byte", "bits/byte", 0.0, UNBOUNDED),
}


def evaluation_logs(scores: pd.DataFrame, origins: Mapping[str, Origin], retrieved: int) -> Iterator[Log]:
    """One per checkpoint, from rows of `ability_scores`.

    origins by name of the suite; `retrieved` in seconds since 1970. Raises InputError if a metric has no scale.
    """
    if unknown := sorted(set(scores.metric) - set(SCALES)):
        raise InputError(f"no scale is known of the metric {unknown[0]}; known are {', '.join(SCALES)}")
    for (suite, model, step), rows in scores.groupby(CHECKPOINT, sort=True):
        yield _log(rows.to_dict("records"), origins[str(suite)], str(model), int(step), str(retrieved))


def _log(rows: list[dict[Any, Any]], origin: Origin, model: str, step: int, retrieved: str) -> Log:
    model_id = origin.model_id.format(model=model)
    digest = hashlib.sha256(json.dumps([[row["source"], row["value"]] for row in rows]).encode()).hexdigest()
    organization = {"source_organization_url": origin.url} if origin.url else {}
    return {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": f"{origin.collection}/{model_id}/step{step}-{digest[:DIGEST]}",
        "retrieved_timestamp": retrieved,
        "source_metadata": {
            "source_name": origin.collection,
            "source_type": origin.source_type,
            "source_organization_name": origin.organization,
            **organization,
            "evaluator_relationship": origin.relationship,
        },
        "eval_library": {"name": "lm-evaluation-harness", "version": origin.library_version},
        "model_info": {
            "name": model,
            "id": model_id,
            "developer": model_id.split("/")[0],
            "additional_details": {
                "deployment_type": "self_deployed",
                "model_availability": "unknown" if model.endswith(NOT_ON_HUB) else origin.availability,
                "step": str(step),
                "parameters": str(rows[0]["parameters"]),
                "hidden_size": str(rows[0]["hidden_size"]),
                **({"training_tokens": str(int(rows[0]["tokens"]))} if pd.notna(rows[0]["tokens"]) else {}),
            },
        },
        "evaluation_results": [_result(row, origin) for row in rows],
    }


def _result(row: Mapping[Any, Any], origin: Origin) -> Log:
    scale, metric, shots = SCALES[row["metric"]], row["metric"], str(row["num_fewshot"])
    known = {"chance": str(row["chance"])} if pd.notna(row["chance"]) else {}
    return {
        "evaluation_result_id": f"{row['task']}/{shots}-shot/{metric}",
        "evaluation_name": row["task"],
        "source_data": _source_data(row["task"], origin.corpus),
        "metric_config": {
            "metric_id": scale.metric_id,
            "metric_name": metric,
            "metric_unit": scale.unit,
            "lower_is_better": metric in LOWER_IS_BETTER,
            "score_type": "continuous",
            "min_score": scale.minimum,
            "max_score": scale.maximum,
            **({"additional_details": known} if known else {}),
        },
        "score_details": {
            "score": row["value"],
            "details": {"source": row["source"]},
            **_uncertainty(row),
        },
        "generation_config": {"additional_details": {"num_fewshot": shots}},
    }


def _source_data(task: str, corpus: str) -> Log:
    """The data set of a task; a task made here is one of held-out text of its corpus."""
    if task in MADE_TASKS:
        return {"dataset_name": task, "source_type": "other", "additional_details": {"corpus": corpus}}
    for begin, repository in DATASETS.items():
        if task.startswith(begin):
            return {"dataset_name": task, "source_type": "hf_dataset", "hf_repo": repository}
    return {"dataset_name": task, "source_type": "other"}


def _uncertainty(row: Mapping[Any, Any]) -> Log:
    found: Log = {}
    if pd.notna(row["stderr"]):
        found["standard_error"] = {"value": row["stderr"]}
    if pd.notna(row["items"]):
        found["num_samples"] = int(row["items"])
    return {"uncertainty": found} if found else {}


def write_logs(folder: str | Path, logs: Iterable[Log]) -> int:
    """Write each to its place below the folder; how many there are."""
    count = 0
    for count, log in enumerate(logs, 1):  # noqa: B007
        collection = log["source_metadata"]["source_name"]
        write_json(Path(folder) / "data" / collection / log["model_info"]["id"] / f"{_uuid(log)}.json", log)
    return count


def _uuid(log: Log) -> uuid.UUID:
    """Of version 4 in form, as the datastore wants it, but of the evaluation's identity."""
    return uuid.UUID(bytes=hashlib.sha256(log["evaluation_id"].encode()).digest()[:16], version=4)
