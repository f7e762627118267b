"""Folders of evaluation tasks: their items on disk, in the form that lm-evaluation-harness reads.

Rules `ability_data` and `ability_tasks` write them, so that every checkpoint is evaluated on the same items, and on
machines without a network too. A folder holds a task.json:

    {"tasks": {NAME: {"include": YAML of the harness or null, "config": {...}, "files": {SPLIT: FILE}}}, ...}
"""

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from lm_saturation.io.atomic import write_json
from lm_saturation.io.logs import redirect_log

RECORD = "task.json"


def redirect_harness_log() -> None:
    """Let the harness write to the job's log, and errors only."""
    import datasets

    datasets.disable_progress_bars()
    redirect_log("lm_eval")
    logging.getLogger("lm_eval").setLevel(logging.ERROR)


def harness_folder() -> Path:
    """The folder of the harness's own tasks."""
    import lm_eval.tasks

    return Path(str(lm_eval.tasks.__file__)).parent


def read_record(folder: str | Path) -> dict[str, Any]:
    """The task.json of a folder."""
    return json.loads((Path(folder) / RECORD).read_text(encoding="utf-8"))


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Write the task.json of a folder."""
    write_json(folder / RECORD, record)


def task_groups(folders: Iterable[str | Path]) -> dict[str, list[str]]:
    """The names of the tasks in each folder, by its name: that of the task itself, or of a group of tasks."""
    return {Path(folder).name: sorted(read_record(folder)["tasks"]) for folder in folders}


def load_tasks(folders: Iterable[str | Path], workspace: Path) -> dict[str, Any]:
    """The harness's task objects, by name; their data come from the folders, and caches go to the `workspace`."""
    from lm_eval.tasks import TaskManager

    definitions = workspace / "tasks"
    definitions.mkdir()
    names = []
    for folder in map(Path, folders):
        for name, task in read_record(folder)["tasks"].items():
            definition = _task_definition(name, task, folder, workspace / "cache")
            (definitions / f"{name}.yaml").write_text(yaml.safe_dump(definition, sort_keys=False), encoding="utf-8")
            names.append(name)
    manager = TaskManager(include_path=str(definitions), include_defaults=False)
    return manager.load(names)["tasks"]


def _task_definition(name: str, task: dict[str, Any], folder: Path, cache_folder: Path) -> dict[str, Any]:
    """A task of a task.json as the harness's YAML has it, with its data in the folder."""
    files = {split: str((folder / file).resolve()) for split, file in task["files"].items()}
    return {
        **({"include": str(harness_folder() / task["include"])} if task["include"] else {}),
        **task["config"],
        "task": name,
        "dataset_path": "json" if next(iter(files.values())).endswith(".jsonl") else "parquet",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": files, "cache_dir": str(cache_folder)},
    }
