"""Rule `ability_evaluation`: what the checkpoints of a span of a model can do, by lm-evaluation-harness.

Every log-probability is kept; scores are means over items of what `choice_metrics.py` makes of them, beside the
harness's own.
"""

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from scripts.abilities.choice_metrics import sample_metrics
from scripts.abilities.harness import Scorer, load_tasks, quiet, read_record
from scripts.common.checkpoint_files import checkpoints, find_device, load_model, settle
from scripts.common.jobs import InputError, job, progress
from scripts.common.tables import write_rows
from scripts.common.tokenizer_files import load_tokenizer
from scripts.common.weight_files import choose_weights
from scripts.metrics.blocks import halved

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

READ = 1 << 24  # bytes read at a time
CHANCE = {"acc": "chance", "acc_norm": "chance", "correct_choice_prob": "chance", "brier": "chance_brier"}
HARNESS_ONLY = ["perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte"]  # metrics that are no mean


def sample_rows(task: Any, sample: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of `ability_samples` for one item of the harness's log: one a choice, or one if it has no choices."""
    answers = sample["filtered_resps"]
    row = {"item": sample["doc_id"], "choice": 0, "correct": 1, "greedy": None, "characters": None}
    if task.OUTPUT_TYPE == "multiple_choice":
        texts, target = task.doc_to_choice(sample["doc"]), sample["target"]
        target = texts.index(target) if isinstance(target, str) else target
        right = set(target) if isinstance(target, list) else {int(target)}
        for number, (text, (value, greedy)) in enumerate(zip(texts, answers, strict=True)):
            yield row | {
                "choice": number,
                "correct": int(number in right),
                "log_probability_nats": value,
                "greedy": int(greedy),
                "characters": len(text),
            }
    elif task.OUTPUT_TYPE == "loglikelihood":
        value, greedy = answers[0]
        yield row | {"log_probability_nats": value, "greedy": int(greedy), "characters": len(sample["arguments"][0][1])}
    else:
        yield row | {"log_probability_nats": answers[0]}


def scores(samples: pd.DataFrame, harness: dict[str, float]) -> Iterator[dict[str, Any]]:
    """The scores of one task: metric, value, standard error, items and chance.

    samples are rows of `ability_samples` of one task; harness has the metrics that the harness names.
    """
    values = sample_metrics(samples)
    for metric, found in values.items():
        if metric.startswith("chance"):
            continue
        chance = float(values[CHANCE[metric]].mean()) if metric in CHANCE and "chance" in values else None
        yield _score(metric, float(found.mean()), float(found.std(ddof=1) / np.sqrt(len(found))), len(found), chance)
    for metric in HARNESS_ONLY:
        if metric in harness:
            number = samples.item.nunique()
            error = None
            if metric == "perplexity":  # of a task that asks for one word: exp of a mean over items
                each = samples.log_probability_nats
                error = float(harness[metric] * each.std(ddof=1) / np.sqrt(number))
            yield _score(metric, harness[metric], error, number, None)


def _score(metric: str, value: float, error: float | None, items: int, chance: float | None) -> dict[str, Any]:
    return {
        "metric": metric,
        "value": value,
        "stderr": error if error is None or np.isfinite(error) else None,
        "items": items,
        "chance": chance,
    }


def group_scores(rows: list[dict[str, Any]], group: str) -> Iterator[dict[str, Any]]:
    """The plain mean over the tasks of a group of each metric that all have; the tasks share no item."""
    table = pd.DataFrame(rows)
    for metric, own in table.groupby("metric"):
        if len(own) == table.task.nunique() and metric not in HARNESS_ONLY:
            error = float(np.sqrt((own.stderr.astype(float) ** 2).sum()) / len(own))
            chance = None if own.chance.isna().any() else float(own.chance.mean())
            yield {
                "task": group,
                **_score(str(metric), float(own.value.mean()), error, int(own["items"].sum()), chance),
            }


def weights_hash(folder: Path) -> str:
    """The sha256 of a checkpoint's weight files: the harness records none of a model on disk."""
    digest = hashlib.sha256()
    for name in choose_weights([file.name for file in folder.iterdir()]).weights:
        with (folder / name).open("rb") as stream:
            while part := stream.read(READ):
                digest.update(part)
    return digest.hexdigest()


def ask(model: Any, scorer: Scorer, shots: int) -> dict[str, Any]:
    """What the harness finds of a model. All is asked again in batches of half the size if CUDA is out of memory.

    Raises InputError if the model cannot read an answer at once, torch.OutOfMemoryError if not even one fits.
    """
    while True:
        try:
            return scorer.evaluate(model, shots)
        except torch.OutOfMemoryError:
            if scorer.batch_size == 1:
                raise
        scorer.batch_size = halved(scorer.batch_size)  # outside of `except`, which keeps the failed tensors alive


def evaluate_model(
    model: Any, scorer: Scorer, groups: dict[str, list[str]], shots: list[int]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of `ability_scores` and of `ability_samples`, without the keys of the checkpoint."""
    score_rows: list[dict[str, Any]] = []
    samples_rows: list[dict[str, Any]] = []
    for number in shots:
        found = ask(model, scorer, number)
        own: dict[str, list[dict[str, Any]]] = {}
        for task, logged in found["samples"].items():
            rows = [row for sample in logged for row in sample_rows(scorer.tasks[task], sample)]
            samples_rows += [{"task": task, "num_fewshot": number, **row} for row in rows]
            harness = {key.split(",")[0]: value for key, value in found["results"][task].items()}
            own[task] = [{"task": task, **row} for row in scores(pd.DataFrame(rows), harness)]
        for group, tasks in groups.items():
            members = [row for task in tasks for row in own[task]]
            members += group_scores(members, group) if len(tasks) > 1 else []
            score_rows += [{"num_fewshot": number, **row} for row in members]
    return score_rows, samples_rows


def main(files: Any, output: Any, options: Any, keys: dict[str, Any]) -> None:
    """Evaluate the checkpoints of a span and write both tables, or none."""
    definition, abilities = options.definition, options.abilities
    device = find_device(abilities["device"], "abilities.device")
    dtype = getattr(torch, definition.get("dtype", "float32"))
    asked = [
        (step, path)
        for step, path in checkpoints(files.checkpoints)
        if options.steps in (None, []) or step in options.steps
    ]
    groups = {Path(folder).name: sorted(read_record(folder)["tasks"]) for folder in files.tasks}
    score_rows: list[dict[str, Any]] = []
    samples_rows: list[dict[str, Any]] = []
    bad: list[str] = []
    with tempfile.TemporaryDirectory() as workspace:
        tasks = load_tasks(files.tasks, Path(workspace))
        scorer = Scorer(tasks, load_tokenizer(str(files.tokenizer)), definition.get("first_token"), abilities)
        for step, path in progress(asked, "checkpoints", len(asked), "checkpoint"):
            try:
                model = load_model(path, dtype, device)
                found, samples = evaluate_model(model, scorer, groups, abilities["num_fewshot"])
            except InputError as error:
                bad.append(str(error))
                continue
            about = _about(model, step, definition, path, keys)
            score_rows += [{**about, **row} for row in found]
            samples_rows += [{**keys, "step": step, **row} for row in samples]
    settle(bad, len(asked) - len(bad), definition.get("bad_checkpoints", "refuse"))
    write_rows("ability_scores", output.scores, score_rows)
    write_rows("ability_samples", output.samples, samples_rows)


def _about(model: Any, step: int, definition: dict[str, Any], path: Path, keys: dict[str, Any]) -> dict[str, Any]:
    each = definition.get("tokens_per_step")
    return {
        **keys,
        "step": step,
        "tokens": each and step * each,
        "parameters": sum(weights.numel() for weights in model.parameters()),
        "hidden_size": model.get_output_embeddings().weight.shape[1],
        "source": f"{path.name}, weights sha256 {weights_hash(path)}",
    }


if __name__ == "__main__":
    with job(snakemake):
        torch.set_num_threads(snakemake.threads)
        quiet()
        keys = {"suite": snakemake.wildcards.suite, "model": snakemake.wildcards.model}
        main(snakemake.input, snakemake.output, snakemake.params, keys)
