"""Reading the evaluations that EleutherAI published with Pythia: `evals/` of github.com/EleutherAI/pythia.

Folder names and the recorded `num_fewshot` disagree for some files. What the file records is what was run; the folder
is kept beside it. Files of lm-evaluation-harness 0.2 and 0.3, of January 2023 and before.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from scripts.common.jobs import InputError

VERSIONS = ["v0", "v1"]
TASKS = ["arc_challenge", "arc_easy", "lambada_openai", "logiqa", "piqa", "sciq", "wikitext", "winogrande", "wsc"]
SUBJECT = "hendrycksTest-"  # of MMLU
STEP = re.compile(r"step(\d+)")
FOLDERS = {"zero-shot": 0, "five-shot": 5}
CASE_STUDY = {"baseline", "intervention"}  # folders of a study of bias, whose models learned from altered text


def read_checkout(folder: str | Path) -> Iterator[dict[str, Any]]:
    """Every value of every evaluation of Pythia's checkpoints in a checkout, by path.

    Raises InputError if the folder is no such checkout, or a file cannot be read.
    """
    folder = Path(folder)
    for version in VERSIONS:
        root = folder / "evals" / f"pythia-{version}"
        if not root.is_dir():
            raise InputError(f"{folder}: no checkout of EleutherAI/pythia, it has no folder evals/pythia-{version}")
        for path in sorted(root.glob("pythia-*/**/*.json")):
            parts = path.relative_to(root).parts
            if not CASE_STUDY & set(parts):
                yield from _read_file(path, version, parts[0], path.relative_to(folder).as_posix())


def _read_file(path: Path, version: str, model: str, source: str) -> Iterator[dict[str, Any]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        results, shots = found["results"], int(found["config"]["num_fewshot"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not an evaluation by lm-evaluation-harness ({error!r})") from error
    if not (step := STEP.search(path.name)):
        raise InputError(f"{path}: its name has no step in it")
    keys = {"suite_version": version, "model": model, "num_fewshot": shots, "step": int(step[1])}
    folder = next((FOLDERS[part] for part in path.parts if part in FOLDERS), None)
    for task, metrics in {**{task: results.get(task, {}) for task in TASKS}, "mmlu": _mmlu(results)}.items():
        for metric, value in metrics.items():
            if not metric.endswith("_stderr"):
                yield {
                    **keys,
                    "folder_num_fewshot": folder,
                    "task": task,
                    "metric": "perplexity" if metric == "ppl" else metric,
                    "value": value,
                    "stderr": metrics.get(f"{metric}_stderr"),
                    "source_path": source,
                }


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
