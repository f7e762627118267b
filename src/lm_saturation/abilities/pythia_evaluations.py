"""The evaluations that EleutherAI published with Pythia: `evals/` of github.com/EleutherAI/pythia.

Folder names and the recorded `num_fewshot` disagree for some files. The record says what was run; the folder is kept
beside it. Files of lm-evaluation-harness 0.2 and 0.3, of January 2023 and before.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lm_saturation.errors import InputError

VERSIONS = ["v0", "v1"]
TASKS = ["arc_challenge", "arc_easy", "lambada_openai", "logiqa", "piqa", "sciq", "wikitext", "winogrande", "wsc"]
SUBJECT = "hendrycksTest-"  # of MMLU
STEP = re.compile(r"step(\d+)")
FOLDERS = {"zero-shot": 0, "five-shot": 5}
CASE_STUDY = {"baseline", "intervention"}  # folders of a study of bias, whose models were trained on altered text
CHANCE = {  # accuracy of guessing; LogiQA, SciQ and MMLU have four choices, ARC nearly always
    "arc_challenge": 0.25,
    "arc_easy": 0.25,
    "lambada_openai": 0.0,
    "logiqa": 0.25,
    "mmlu": 0.25,
    "piqa": 0.5,
    "sciq": 0.25,
    "winogrande": 0.5,
    "wsc": 0.5,
}
SCORE_KEYS = ["suite_version", "model", "num_fewshot", "step", "task", "metric"]
ORDER = ["suite_version", "model", "num_fewshot", "task", "metric", "step", "source_path"]


def read_checkout(folder: str | Path) -> pd.DataFrame:
    """Every value of every evaluation of Pythia's checkpoints in a checkout: resources/pythia_evaluations.csv.xz.

    Columns suite_version, model, num_fewshot, step, folder_num_fewshot, task, metric, value, stderr, source_path.
    Raises InputError if the folder is no such checkout, or a file cannot be read.
    """
    return pd.DataFrame(_checkout_rows(Path(folder))).sort_values(ORDER, ignore_index=True)


def _checkout_rows(folder: Path) -> Iterator[dict[str, Any]]:
    for version in VERSIONS:
        root = folder / "evals" / f"pythia-{version}"
        if not root.is_dir():
            raise InputError(f"{folder}: no checkout of EleutherAI/pythia, it has no folder evals/pythia-{version}")
        for path in sorted(root.glob("pythia-*/**/*.json")):
            parts = path.relative_to(root).parts
            if not CASE_STUDY & set(parts):
                keys = {"suite_version": version, "model": parts[0]}
                yield from _file_rows(path, keys, path.relative_to(folder).as_posix())


def _file_rows(path: Path, keys: dict[str, Any], source: str) -> Iterator[dict[str, Any]]:
    results, shots = _read_file(path)
    if not (step := STEP.search(path.name)):
        raise InputError(f"{path}: its name has no step in it")
    folder_shots = next((FOLDERS[part] for part in path.parts if part in FOLDERS), None)
    keys = {**keys, "num_fewshot": shots, "step": int(step[1]), "folder_num_fewshot": folder_shots}
    for task, scores in {**{task: results.get(task, {}) for task in TASKS}, "mmlu": _mmlu(results)}.items():
        for metric, value in scores.items():
            if not metric.endswith("_stderr"):
                yield {
                    **keys,
                    "task": task,
                    "metric": "perplexity" if metric == "ppl" else metric,
                    "value": value,
                    "stderr": scores.get(f"{metric}_stderr"),
                    "source_path": source,
                }


def _read_file(path: Path) -> tuple[dict[str, Any], int]:
    """The results of a file by task, and the number of shots that it records."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return record["results"], int(record["config"]["num_fewshot"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not an evaluation by lm-evaluation-harness ({error!r})") from error


def _mmlu(results: dict[str, Any]) -> dict[str, float]:
    """The plain mean accuracy over the subjects of MMLU, and its standard error: subjects share no question."""
    subjects = sorted(task for task in results if task.startswith(SUBJECT))
    if not subjects:
        return {}
    errors = np.array([results[task]["acc_stderr"] for task in subjects])
    return {
        "acc": float(np.mean([results[task]["acc"] for task in subjects])),
        "acc_stderr": float(np.sqrt((errors**2).sum()) / len(subjects)),
    }


def published_scores(evaluations: pd.DataFrame, models: pd.DataFrame) -> pd.DataFrame:
    """The columns of `ability_scores`, from resources/pythia_evaluations.csv.xz and resources/pythia_models.csv.

    Shots are those that a file records, whatever its folder is called. Where a checkpoint was evaluated twice with the
    same shots, the run whose folder agrees with its record is kept; accuracies of both differ by less than 0.01. Raises
    InputError if a model is not known.
    """
    scores = _without_repeats(evaluations).merge(models, on=SCORE_KEYS[:2], how="left", validate="many_to_one")
    if scores.tokens_per_step.isna().any():
        unknown = scores.model[scores.tokens_per_step.isna()].iloc[0]
        raise InputError(f"published evaluations of {unknown}, which resources/pythia_models.csv does not list")
    columns = ["step", "parameters", "hidden_size", "task", "num_fewshot", "metric", "value", "stderr"]
    return scores[columns].assign(
        suite="pythia-" + scores.suite_version,
        model=scores.model.str.removeprefix("pythia-"),
        tokens=scores.step * scores.tokens_per_step.astype("int64"),
        items=None,
        chance=scores.task.map(CHANCE).where(scores.metric.isin(["acc", "acc_norm"])),
        source=scores.source_path,
    )


def _without_repeats(evaluations: pd.DataFrame) -> pd.DataFrame:
    agrees = evaluations.num_fewshot == evaluations.folder_num_fewshot.fillna(evaluations.num_fewshot)
    ordered = evaluations.assign(repeat=~agrees).sort_values(["repeat", "source_path"], kind="stable")
    return ordered.drop_duplicates(SCORE_KEYS).sort_values(SCORE_KEYS)
