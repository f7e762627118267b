"""Items of tasks of lm-evaluation-harness, fetched once, where there is a network.

Every split that a task uses lies below its folder as Parquet, with the commit it was fetched at, so that checkpoints
can be evaluated anywhere. StoryCloze is given out on request only: its items come from the user's own CSV.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lm_saturation.abilities.task_folders import harness_folder, write_record
from lm_saturation.errors import InputError
from lm_saturation.io.hub import Repository, open_repository
from lm_saturation.io.logs import log
from lm_saturation.io.retry import with_retries

STORYCLOZE = {  # columns of the file that its authors send, and the harness's names for them
    "InputSentence1": "input_sentence_1",
    "InputSentence2": "input_sentence_2",
    "InputSentence3": "input_sentence_3",
    "InputSentence4": "input_sentence_4",
    "RandomFifthSentenceQuiz1": "sentence_quiz1",
    "RandomFifthSentenceQuiz2": "sentence_quiz2",
    "AnswerRightEnding": "answer_right_ending",
}
HARNESS_NAMES = {"storycloze": "storycloze_2016"}  # where they differ from those of abilities.tasks
SPLITS = ["training_split", "validation_split", "test_split", "fewshot_split"]  # keys of a task's YAML

Splits = dict[str, pd.DataFrame]


def write_harness_task(name: str, folder: Path, storycloze: str | None) -> None:
    """Write the folder of a task, or of a group of tasks: its items, and its task.json.

    `storycloze` is the path of the user's CSV. Raises InputError if the harness has no such task, or its items cannot
    be had.
    """
    from lm_eval.tasks._yaml_loader import load_yaml

    tasks = {}
    for task, path in find_definitions(name).items():
        splits, source = read_splits(load_yaml(path, resolve_func=False), storycloze)
        (folder / task).mkdir(parents=True)
        for split, table in splits.items():
            table.to_parquet(folder / task / f"{split}.parquet", index=False)
            log.info("%s, %s: %d items", task, split, len(table))
        tasks[task] = {
            "include": path.relative_to(harness_folder()).as_posix(),
            "config": {},
            "files": {split: f"{task}/{split}.parquet" for split in splits},
            **source,
        }
    write_record(folder, {"tasks": tasks})


def find_definitions(name: str) -> dict[str, Path]:
    """The harness's YAML of a task or, if the name is that of a group or tag, of each task in it.

    Raises InputError if the harness has no such task, or defines it in Python.
    """
    from lm_eval.tasks import TaskManager

    index = TaskManager().task_index
    definitions: dict[str, Path] = {}
    waiting = [HARNESS_NAMES.get(name, name)]
    while waiting:
        entry = index.get(waiting.pop())
        if entry is None:
            raise InputError(f"abilities.tasks names {name!r}, which lm-evaluation-harness does not know")
        if entry.kind.name == "PY_TASK":
            raise InputError(f"abilities.tasks names {name!r}, which the harness defines in Python; allowed: in YAML")
        if entry.kind.name in ("GROUP", "TAG"):
            members = entry.cfg["task"] if entry.kind.name == "GROUP" else entry.tags
            waiting += [member if isinstance(member, str) else member["task"] for member in members]
        else:
            definitions[entry.name] = entry.yaml_path
    return dict(sorted(definitions.items()))


def read_splits(config: Mapping[str, Any], storycloze: str | None) -> tuple[Splits, dict[str, str]]:
    """The splits that a task's YAML names, by name, and where they come from, for its record.

    Raises InputError if they cannot be had.
    """
    names = sorted({config[key] for key in SPLITS if config.get(key)})
    if str(config["task"]).startswith("storycloze"):
        if not storycloze:
            raise InputError("StoryCloze is given out on request only: put the path of its CSV in abilities.storycloze")
        return {name: _read_storycloze(storycloze) for name in names}, {"file": storycloze}
    repository = open_repository(config["dataset_path"], "dataset", "main")
    with tempfile.TemporaryDirectory() as cache:
        dataset = _load_dataset(repository, config, cache)
        if absent := [name for name in names if name not in dataset]:
            raise InputError(f"{repository.name} has no split {absent[0]!r}; it has {', '.join(dataset)}")
        splits = {name: dataset[name].to_pandas() for name in names}
    return splits, {"repository": repository.name, "commit": repository.commit}


def _load_dataset(repository: Repository, config: Mapping[str, Any], cache: str) -> Any:
    """The data set of a task's YAML, by split; its data lie in the folder `cache`."""
    from datasets import load_dataset

    options = {key: value for key, value in (config.get("dataset_kwargs") or {}).items() if key != "trust_remote_code"}
    options |= {"revision": repository.commit, "cache_dir": cache}
    path, subset = f"hf://datasets/{repository.name}", config.get("dataset_name")
    try:
        return with_retries(repository.name, lambda: load_dataset(path, subset, **options))
    except (ValueError, RuntimeError, OSError) as error:  # unknown configuration, a script, or no data files
        raise InputError(f"{repository.name}: {' '.join(str(error).split())}") from error


def _read_storycloze(path: str) -> pd.DataFrame:
    table = pd.read_csv(path)
    if absent := [name for name in STORYCLOZE if name not in table]:
        raise InputError(f"{path}: not a test set of StoryCloze, it has no column {absent[0]}")
    return table.rename(columns=STORYCLOZE)[list(STORYCLOZE.values())]
