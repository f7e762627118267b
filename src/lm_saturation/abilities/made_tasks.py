"""Tasks made of held-out text (items.py), as folders that lm-evaluation-harness reads (task_folders.py)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from lm_saturation.abilities.items import make_items
from lm_saturation.abilities.task_folders import write_record
from lm_saturation.config.abilities import ItemOptions
from lm_saturation.config.metrics import HeldOut
from lm_saturation.text.splits import Documents, split_documents
from lm_saturation.text.token_files import Tokens

FEWSHOT_ITEMS = 64  # from which solved examples are drawn, beside those that are evaluated
MAXIMUM_TOKENS = 2_000_000  # of text that items are made of
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


def item_texts(tokenizer: Tokenizer, shards: Sequence[Tokens], held_out: HeldOut | None) -> list[str]:
    """The documents that items are made of, decoded; at most MAXIMUM_TOKENS tokens of them.

    With `held_out`, for a suite trained on this text, those that it was not trained on; else all.
    """
    if held_out is None:
        parts: Sequence[Tokens | Documents] = shards
    else:
        parts = [split_documents(shards, held_out).test]
    texts, left = [], MAXIMUM_TOKENS
    for part in parts:
        for begin, end in zip(np.append(0, part.ends[:-1]).tolist(), part.ends.tolist(), strict=True):
            if left > 0:
                ids = part.ids[begin : min(end, begin + left)].tolist()
                texts.append(tokenizer.decode(ids, skip_special_tokens=False))  # those that stand in the text
                left -= end - begin
    return texts


def write_made_task(
    folder: Path, kind: str, texts: Sequence[str], options: ItemOptions, tokenizer: Tokenizer, reads: int
) -> None:
    """Write the folder of the task `kind`, cloze or next_sentence: its items as JSON lines, and its task.json.

    A choice takes at most half of the tokens that the model `reads` at a time, so that some of the passage is left.
    Raises InputError if the texts hold too little to make items of.
    """

    def fits(choice: str) -> bool:
        return len(tokenizer.encode(choice, add_special_tokens=False).ids) <= reads // 2

    items = make_items(kind, texts, options.items + FEWSHOT_ITEMS, options.context, options.seed, fits)
    splits = {"test": items[: options.items], "train": items[options.items :]}
    folder.mkdir(parents=True)
    for split, part in splits.items():
        lines = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in part)
        (folder / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    files = {split: f"{split}.jsonl" for split in splits}
    task: dict[str, Any] = {"include": None, "config": CONFIG, "files": files}
    write_record(folder, {"tasks": {kind: task}})
