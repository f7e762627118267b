"""Rule `ability_data`: the items of a task of lm-evaluation-harness, fetched once, where there is a network.

Every split that the task uses lies below the folder as Parquet, with the commit it was fetched at, so that checkpoints
can be asked anywhere. StoryCloze is given out on request only: its items come from the user's own CSV.
"""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from scripts.abilities.harness import RECORD, harness_folder, quiet
from scripts.common.hub_files import open_repository
from scripts.common.hub_patience import patiently
from scripts.common.jobs import InputError, job, log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

STORYCLOZE = {  # columns of the file that its authors send, and the harness's names for them
    "InputSentence1": "input_sentence_1",
    "InputSentence2": "input_sentence_2",
    "InputSentence3": "input_sentence_3",
    "InputSentence4": "input_sentence_4",
    "RandomFifthSentenceQuiz1": "sentence_quiz1",
    "RandomFifthSentenceQuiz2": "sentence_quiz2",
    "AnswerRightEnding": "answer_right_ending",
}
HARNESS_NAMES = {"storycloze": "storycloze_2016"}  # the name here, and the harness's
SPLITS = ["training_split", "validation_split", "test_split", "fewshot_split"]


def find_definitions(name: str) -> dict[str, Path]:
    """The harness's YAML of a task or, if the name is that of a group or tag, of each task in it.

    Raises InputError if the harness has no such task.
    """
    from lm_eval.tasks import TaskManager

    index = TaskManager().task_index
    found: dict[str, Path] = {}
    waiting = [HARNESS_NAMES.get(name, name)]
    while waiting:
        entry = index.get(waiting.pop())
        if entry is None:
            raise InputError(f"abilities.tasks names {name!r}, which lm-evaluation-harness does not know")
        if entry.kind.name in ("GROUP", "TAG"):
            members = entry.cfg["task"] if entry.kind.name == "GROUP" else entry.tags
            waiting += [member if isinstance(member, str) else member["task"] for member in members]
        elif entry.kind.name == "PY_TASK":
            raise InputError(
                f"abilities.tasks names {name!r}, which the harness builds by code of its own; not allowed"
            )
        else:
            found[entry.name] = entry.yaml_path
    return dict(sorted(found.items()))


def read_splits(config: dict[str, Any], storycloze: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The splits that a task's config names, by name, and what to record of their source."""
    names = sorted({config[key] for key in SPLITS if config.get(key)})
    if str(config["task"]).startswith("storycloze"):
        if not storycloze:
            raise InputError("StoryCloze is given out on request only: put the path of its CSV in abilities.storycloze")
        return {name: _read_storycloze(storycloze) for name in names}, {"file": storycloze}
    from datasets import load_dataset

    repository = open_repository(config["dataset_path"], "dataset", "main")
    options = {key: value for key, value in (config.get("dataset_kwargs") or {}).items() if key != "trust_remote_code"}
    with tempfile.TemporaryDirectory() as cache:
        try:
            found = patiently(
                repository.name,
                lambda: load_dataset(
                    f"hf://datasets/{repository.name}",
                    config.get("dataset_name"),
                    revision=repository.commit,
                    cache_dir=cache,
                    **options,
                ),
            )
        except (ValueError, RuntimeError, OSError) as error:  # unknown configuration, a script, or no data files
            raise InputError(f"{repository.name}: {' '.join(str(error).split())}") from error
        if absent := [name for name in names if name not in found]:
            raise InputError(f"{repository.name} has no split {absent[0]!r}; it has {', '.join(found)}")
        return {name: found[name].to_pandas() for name in names}, {
            "repository": repository.name,
            "commit": repository.commit,
        }


def _read_storycloze(path: str) -> pd.DataFrame:
    table = pd.read_csv(path)
    if absent := [name for name in STORYCLOZE if name not in table]:
        raise InputError(f"{path}: not a test set of StoryCloze, it has no column {absent[0]}")
    return table.rename(columns=STORYCLOZE)[list(STORYCLOZE.values())]


def main(name: str, folder: Path, storycloze: str | None) -> None:
    """Write the folder of a task."""
    from lm_eval.tasks._yaml_loader import load_yaml

    record: dict[str, Any] = {"tasks": {}}
    for task, path in find_definitions(name).items():
        splits, about = read_splits(load_yaml(path, resolve_func=False), storycloze)
        (folder / task).mkdir(parents=True)
        for split, table in splits.items():
            table.to_parquet(folder / task / f"{split}.parquet", index=False)
            log.info("%s, %s: %d items", task, split, len(table))
        record["tasks"][task] = {
            "include": path.relative_to(harness_folder()).as_posix(),
            "config": {},
            "files": {split: f"{task}/{split}.parquet" for split in splits},
            **about,
        }
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with job(snakemake):
        quiet()
        main(snakemake.wildcards.task, Path(snakemake.output[0]), snakemake.params.storycloze)
