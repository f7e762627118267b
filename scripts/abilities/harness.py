"""EleutherAI's lm-evaluation-harness (Gao et al. 2024, doi 10.5281/zenodo.12608602), through its Python API.

The items of a task lie on disk (rules `ability_data` and `ability_tasks`), so that every checkpoint is asked the same
ones, on machines without a network too. A folder holds a task.json:

    {"tasks": {NAME: {"include": YAML of the harness or null, "config": {...}, "files": {SPLIT: FILE}}}, ...}

What the harness must not do, or it costs others their results (docs/method.md): cache answers across checkpoints, for
its cache is not keyed by model; take the softmax in half precision; draw other examples for each checkpoint.
"""

import json
import logging
from collections.abc import Iterable
from contextlib import redirect_stderr
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import yaml
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from scripts.common.hub_files import log_as_ours
from scripts.common.jobs import InputError

RECORD = "task.json"
FEWSHOT_SEED = 1234  # the harness's own


def quiet() -> None:
    """Let the harness write to the job's log, and only what matters."""
    import datasets

    datasets.disable_progress_bars()
    log_as_ours("lm_eval")
    logging.getLogger("lm_eval").setLevel(logging.ERROR)


def harness_folder() -> Path:
    """Where the harness keeps its tasks."""
    import lm_eval.tasks

    return Path(str(lm_eval.tasks.__file__)).parent


def read_record(folder: str | Path) -> dict[str, Any]:
    """The task.json of a folder."""
    return json.loads((Path(folder) / RECORD).read_text(encoding="utf-8"))


def load_tasks(folders: Iterable[str | Path], workspace: Path) -> dict[str, Any]:
    """The harness's task objects, by name; their data come from the folders, and caches go to the `workspace`."""
    from lm_eval.tasks import TaskManager

    definitions = workspace / "tasks"
    definitions.mkdir()
    names = []
    for folder in map(Path, folders):
        for name, task in read_record(folder)["tasks"].items():
            files = {split: str((folder / file).resolve()) for split, file in task["files"].items()}
            kind = "json" if next(iter(files.values())).endswith(".jsonl") else "parquet"
            own = {
                **({"include": str(harness_folder() / task["include"])} if task["include"] else {}),
                **task["config"],
                "task": name,
                "dataset_path": kind,
                "dataset_name": None,
                "dataset_kwargs": {"data_files": files, "cache_dir": str(workspace / "cache")},
            }
            (definitions / f"{name}.yaml").write_text(yaml.safe_dump(own, sort_keys=False), encoding="utf-8")
            names.append(name)
    manager = TaskManager(include_path=str(definitions), include_defaults=False)
    return manager.load(names)["tasks"]


class Scorer:
    """Asks models the same tasks, all with the same tokenizer; what is asked is tokenised once.

    first is the text of the token that stands before every text, or None; options are the section `abilities`.
    """

    def __init__(self, tasks: dict[str, Any], tokenizer: Tokenizer, first: str | None, options: dict[str, Any]) -> None:
        self.tasks, self.options, self.first = tasks, options, first
        self.batch_size: int = options["batch_size"]
        self.tokenizer = make_tokenizer(tokenizer, first)
        self.tokenizer.encode = cache(self.tokenizer.encode)

    def evaluate(self, model: Any, shots: int) -> dict[str, Any]:
        """What the harness finds of a model: `results` by task, and `samples`, its log of each item, by task.

        Raises InputError if the model cannot read an answer at once.
        """
        from lm_eval.evaluator import evaluate
        from lm_eval.models.huggingface import HFLM

        for task in self.tasks.values():
            task.set_config(key="num_fewshot", value=shots)
            task.set_fewshot_seed(seed=FEWSHOT_SEED)  # so that each checkpoint sees the same examples
        with redirect_stderr(StringIO()):  # bars that the harness draws whatever it is told
            harnessed = HFLM(
                pretrained=model,
                tokenizer=self.tokenizer,
                backend="causal",
                batch_size=self.batch_size,
                softmax_dtype="float32",
                add_bos_token=self.first is not None,
                prefix_token_id=self._prefix(model),
            )
            options = {"bootstrap_iters": 0, "log_samples": True}  # intervals are ours: paired over items
            try:
                return evaluate(harnessed, {"tasks": self.tasks}, limit=self.options["limit"], **options)
            except AssertionError as error:  # all that the harness says of it
                raise InputError(
                    f"an answer to {' or '.join(self.tasks)} is longer than the {harnessed.max_length} tokens that the "
                    "model reads; allowed in abilities.tasks are shorter ones"
                ) from error

    def _prefix(self, model: Any) -> int:
        """What stands before a text that has nothing before it: the first token, or the model's own, or token 0."""
        config = model.config.get_text_config()
        own = None if self.first is None else self.tokenizer.convert_tokens_to_ids(self.first)
        end = config.eos_token_id
        candidates = (own, config.bos_token_id, end[0] if isinstance(end, list) else end)
        return next((token for token in candidates if token is not None), 0)


def make_tokenizer(tokenizer: Tokenizer, first: str | None) -> Any:
    """The tokenizer as the harness takes it: it puts the `first` token, if any, before a text, and nothing else.

    Raises InputError if the tokenizer has no such token.
    """
    from transformers import PreTrainedTokenizerFast

    own = Tokenizer.from_str(tokenizer.to_str())
    own.post_processor = TemplateProcessing(single="$A")
    if first is not None:
        if (number := own.token_to_id(first)) is None:
            raise InputError(f"first_token: the tokenizer has no token {first!r}")
        own.post_processor = TemplateProcessing(single=f"{first} $A", special_tokens=[(first, number)])
    return PreTrainedTokenizerFast(tokenizer_object=own)
