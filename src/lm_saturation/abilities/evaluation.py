"""Evaluation of checkpoints by lm-evaluation-harness: their scores, and every log-probability behind them.

scores, samples = evaluate_checkpoints(checkpoints, task_folders, tokenizer, weights, options)

Scores are means over items of the metrics of `choice_metrics.py`, beside those likelihoods of a text that the harness
itself computes.
"""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tokenizers import Tokenizer

from lm_saturation.abilities.choice_metrics import sample_metrics
from lm_saturation.abilities.harness import Scorer
from lm_saturation.abilities.score_scales import LIKELIHOODS
from lm_saturation.abilities.task_folders import load_tasks, task_groups
from lm_saturation.checkpoints.loading import handle_bad_checkpoints, load_model
from lm_saturation.checkpoints.weight_files import weights_in_folder
from lm_saturation.config.abilities import EvaluationOptions
from lm_saturation.config.suites import WeightsOptions
from lm_saturation.devices import find_device
from lm_saturation.errors import InputError
from lm_saturation.inference.logits import check_causal
from lm_saturation.inference.trunk import crashes_refused, replaced_forwards
from lm_saturation.io.logs import ProgressBar, progress

READINGS = ("none", "flexible-extract")  # filters of the harness: the text, or the last number in it (GSM8K, MGSM)
PROBE = 8  # tokens that show whether a model is causal
CHANCE = {"acc": "chance", "acc_norm": "chance", "correct_choice_prob": "chance", "brier": "chance_brier"}

Row = dict[str, Any]


def evaluate_checkpoints(
    checkpoints: Sequence[tuple[int, Path]],
    task_folders: Sequence[str | Path],
    tokenizer: Tokenizer,
    weights: WeightsOptions,
    options: EvaluationOptions,
) -> tuple[list[Row], list[Row]]:
    """Rows of `ability_scores` and of `ability_samples` of the checkpoints (step, folder), without suite and model.

    Raises InputError if a checkpoint is bad and the suite refuses such, if all are bad, or if the device is not there.
    """
    device, groups = find_device(options.device, "abilities.device"), task_groups(task_folders)
    scores: list[Row] = []
    samples: list[Row] = []
    bad: list[str] = []
    with tempfile.TemporaryDirectory() as workspace:
        scorer = Scorer(load_tasks(task_folders, Path(workspace)), tokenizer, weights.first_token, options)
        for step, folder in progress(checkpoints, "checkpoints", len(checkpoints), "checkpoint"):
            try:
                model = load_model(folder, getattr(torch, weights.dtype), device)
                model_scores, model_samples = _evaluate_causal(model, scorer, groups, options.num_fewshot)
            except InputError as error:
                bad.append(str(error) if str(folder) in str(error) else f"{folder}: {error}")
                continue
            keys = {"step": step, **_model_columns(model, folder, weights.tokens_per_step, step)}
            scores += [keys | row for row in model_scores]
            samples += [{"step": step, **row} for row in model_samples]
    handle_bad_checkpoints(bad, len(checkpoints) - len(bad), weights.bad_checkpoints)
    return scores, samples


def _evaluate_causal(model: Any, *arguments: Any) -> tuple[list[Row], list[Row]]:
    """As `evaluate_model`. Raises InputError if the model sees the tokens it is to predict, or its code fails."""
    check_causal(model, torch.arange(PROBE, device=model.device)[None])
    original, bar = model.forward, ProgressBar(desc="forward passes", unit="batch", delay=10)  # if they are slow

    @wraps(original)  # of which transformers reads the arguments
    def forward(*args: Any, **kwargs: Any) -> Any:
        with crashes_refused(model):
            output = original(*args, **kwargs)
        bar.update()
        return output

    with replaced_forwards([(model, forward)]), bar:
        return evaluate_model(model, *arguments)


def _model_columns(model: Any, folder: Path, tokens_per_step: int | None, step: int) -> Row:
    return {
        "tokens": tokens_per_step and step * tokens_per_step,
        "parameters": sum(weights.numel() for weights in model.parameters()),
        "hidden_size": model.get_output_embeddings().weight.shape[1],
        "source": f"{folder.name}, weights sha256 {weights_sha256(folder)}",
    }


def weights_sha256(folder: Path) -> str:
    """The sha256 of a checkpoint's weight files as one: the harness records none of a model on disk."""
    digest = hashlib.sha256()
    for name in weights_in_folder(folder).weights:
        with (folder / name).open("rb") as stream:
            hashlib.file_digest(stream, lambda: digest)
    return digest.hexdigest()


def evaluate_model(
    model: Any, scorer: Scorer, groups: Mapping[str, Sequence[str]], num_fewshot: Sequence[int]
) -> tuple[list[Row], list[Row]]:
    """Rows of `ability_scores` and of `ability_samples`, without the columns of the checkpoint.

    `groups` are names of tasks by name of the group; a group of several tasks has scores of its own.
    """
    scores: list[Row] = []
    samples: list[Row] = []
    for shots in num_fewshot:
        evaluation = scorer.evaluate(model, shots)
        by_task: dict[str, list[Row]] = {}
        for task, items in evaluation["samples"].items():
            rows = [row for item in items for row in sample_rows(scorer.tasks[task], item)]
            samples += [{"task": task, "num_fewshot": shots, **row} for row in rows]
            harness_scores = {key.split(",")[0]: value for key, value in evaluation["results"][task].items()}
            by_task[task] = [{"task": task, **row} for row in task_scores(pd.DataFrame(rows), harness_scores)]
        for group, tasks in groups.items():
            members = [row for task in tasks for row in by_task[task]]
            members += group_scores(members, group) if len(tasks) > 1 else []
            scores += [{"num_fewshot": shots, **row} for row in members]
    return scores, samples


def sample_rows(task: Any, sample: Mapping[str, Any]) -> Iterator[Row]:
    """Rows of `ability_samples` for one item of the harness's log: one per choice, or one if it has no choices."""
    answers = sample["filtered_resps"]
    if task.OUTPUT_TYPE == "generate_until":
        yield from _generated_rows(sample)
        return
    row = {"item": sample["doc_id"], "choice": 0, "correct": 1, "greedy": None, "characters": None}
    if task.OUTPUT_TYPE == "multiple_choice":
        texts = task.doc_to_choice(sample["doc"])
        correct = _correct_choices(texts, sample["target"])
        for number, (text, (value, greedy)) in enumerate(zip(texts, answers, strict=True)):
            yield row | {
                "choice": number,
                "correct": int(number in correct),
                "log_probability_nats": value,
                "greedy": int(greedy),
                "characters": len(text),
            }
    elif task.OUTPUT_TYPE == "loglikelihood":
        value, greedy = answers[0]
        yield row | {"log_probability_nats": value, "greedy": int(greedy), "characters": len(sample["arguments"][0][1])}
    else:
        yield row | {"log_probability_nats": answers[0]}


def _generated_rows(sample: Mapping[str, Any]) -> Iterator[Row]:
    """The row of an answer that was generated: is what was read from it right? One reading of several counts."""
    if sample["filter"] in READINGS:
        yield {
            "item": sample["doc_id"],
            "choice": 0,
            "correct": 1,
            "log_probability_nats": None,
            "greedy": int(sample["exact_match"]),
            "characters": len(sample["resps"][0][0]),
        }


def _correct_choices(texts: list[str], target: Any) -> set[int]:
    """Numbers of the correct choices; the harness names them by text, by number or by several numbers."""
    if isinstance(target, str):
        return {texts.index(target)}
    return set(target) if isinstance(target, list) else {int(target)}


def task_scores(samples: pd.DataFrame, harness_scores: Mapping[str, float]) -> Iterator[Row]:
    """The scores of one task: metric, value, standard error, items and chance.

    samples are rows of `ability_samples` of one task, harness_scores the harness's own by metric.
    """
    values = sample_metrics(samples)
    for metric, by_item in values.items():
        if not metric.startswith("chance"):
            chance = float(values[CHANCE[metric]].mean()) if metric in CHANCE and "chance" in values else None
            standard_error = float(by_item.std(ddof=1) / np.sqrt(len(by_item)))
            yield _score(metric, float(by_item.mean()), standard_error, len(by_item), chance)
    items, spread = samples.item.nunique(), samples.log_probability_nats.std(ddof=1)
    for metric in LIKELIHOODS:
        if metric in harness_scores:
            value = harness_scores[metric]
            # the perplexity of a task with one word per item is exp of a mean over items
            error = float(value * spread / np.sqrt(items)) if metric == "perplexity" else None
            yield _score(metric, value, error, items, None)


def _score(metric: str, value: float, error: float | None, items: int, chance: float | None) -> Row:
    return {
        "metric": metric,
        "value": value,
        "stderr": error if error is None or np.isfinite(error) else None,
        "items": items,
        "chance": chance,
    }


def group_scores(rows: Sequence[Row], group: str) -> Iterator[Row]:
    """The plain mean over the tasks of a group of each metric that all have; the tasks share no item."""
    table = pd.DataFrame(rows)
    for metric, scores in table.groupby("metric"):
        if len(scores) == table.task.nunique() and metric not in LIKELIHOODS:
            error = float(np.sqrt((scores.stderr.astype(float) ** 2).sum()) / len(scores))
            chance = None if scores.chance.isna().any() else float(scores.chance.mean())
            items = int(scores["items"].sum())
            yield {"task": group, **_score(str(metric), float(scores.value.mean()), error, items, chance)}
