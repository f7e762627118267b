"""Rule `ability_tasks`: two task sets of held-out text, as files that lm-evaluation-harness reads (items.py)."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts.abilities.harness import RECORD
from scripts.abilities.items import make_items
from scripts.common.held_out import split_documents
from scripts.common.jobs import job
from scripts.common.token_files import open_tokens
from scripts.common.tokenizer_files import load_tokenizer

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

EXAMPLES = 64  # items that are shown, not asked, where there are shots
MOST_TOKENS = 2_000_000  # of text that items are drawn from
CONFIG = {
    "output_type": "multiple_choice",
    "training_split": "train",
    "test_split": "test",
    "doc_to_text": "context",
    "doc_to_choice": "choices",
    "doc_to_target": "correct",
    "target_delimiter": "",
    "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
}


def held_out_texts(files: Any, definition: dict[str, Any], held_out: dict[str, Any]) -> list[str]:
    """The documents that a suite is asked about, as its tokenizer gives them back: if trained here, those held out."""
    tokenizer = load_tokenizer(str(files.tokenizer))
    shards = [open_tokens(record) for record in files.records]
    if definition["source"] == "train":
        documents = split_documents(shards, held_out["share"], held_out["seed"]).test
        parts = [(documents.ids, documents.ends)]
    else:
        parts = [(shard.ids, shard.ends) for shard in shards]
    texts, left = [], MOST_TOKENS
    for ids, ends in parts:
        for begin, end in zip(np.append(0, ends[:-1]).tolist(), ends.tolist(), strict=True):
            if left > 0:
                texts.append(tokenizer.decode(ids[begin : min(end, begin + left)].tolist()))
                left -= end - begin
    return texts


def write_task(folder: Path, kind: str, texts: list[str], options: dict[str, Any]) -> None:
    """A folder with the items of a task, as JSON lines, and its task.json."""
    items = make_items(kind, texts, options["items"] + EXAMPLES, options["context"], options["seed"])
    folder.mkdir(parents=True)
    splits = {"test": items[: options["items"]], "train": items[options["items"] :]}
    for split, part in splits.items():
        lines = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in part)
        (folder / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    files = {split: f"{split}.jsonl" for split in splits}
    record = {"tasks": {kind: {"include": None, "config": CONFIG, "files": files}}}
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with job(snakemake):
        options = snakemake.params
        texts = held_out_texts(snakemake.input, options.definition, options.held_out)
        for folder in snakemake.output:
            write_task(Path(folder), Path(folder).name, texts, options.made)
