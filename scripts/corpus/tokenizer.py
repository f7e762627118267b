"""Rule `tokenizer`: a tokenizer.json and its record: trained on corpora of this run, fetched or brought by the user."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from scripts.common.hub_files import Repository, list_files, log_as_ours, open_repository
from scripts.common.jobs import InputError, job, log, whole_file
from scripts.common.tables import read_parts
from scripts.common.tokenizer_files import load_tokenizer, vocabulary_size

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

UNKNOWN = "[UNK]"
WHOLE = "tokenizer.json"
PARTS = ["vocab.json", "merges.txt"]  # what older repositories, such as OPT's, have instead
SETTINGS = ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "config.json"]


def train_tokenizer(algorithm: str, vocabulary_size: int, corpora: list[str]) -> Tokenizer:
    """Train on the text of the corpus tables named.

    `byte-bpe` is byte-level byte-pair encoding as in GPT-2 and Pythia; `word` takes each run of characters without
    space as a token. A corpus with too little text gives fewer than `vocabulary_size` tokens, which is logged.
    """
    if algorithm == "byte-bpe":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer: Any = trainers.BpeTrainer(vocab_size=vocabulary_size, initial_alphabet=alphabet, show_progress=False)
    else:
        tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        trainer = trainers.WordLevelTrainer(vocab_size=vocabulary_size, special_tokens=[UNKNOWN], show_progress=False)
    tokenizer.train_from_iterator(_texts(corpora), trainer)
    if (size := tokenizer.get_vocab_size()) < vocabulary_size:
        log.warning("asked for %d tokens; the text gave %d", vocabulary_size, size)
    return tokenizer


def _texts(corpora: list[str]) -> Iterator[list[str]]:
    for path in corpora:
        for part in read_parts("corpus_text", path, ["text"]):
            yield part["text"].to_pylist()


def fetch_tokenizer(name: str, revision: str, file: str) -> tuple[Tokenizer, dict[str, Any]]:
    """The tokenizer of a repository of the hub, and its commit and files; built from its parts if it lies in parts.

    Raises InputError if it has neither, or may not be had.
    """
    repository = open_repository(name, "model", revision)
    _, names = list_files(name, "model", repository.commit) or (None, {})
    if file == WHOLE and WHOLE not in names and set(PARTS) <= set(names):
        return _convert(repository, [part for part in [*PARTS, *SETTINGS] if part in names])
    path, about = repository.fetch(file)
    return load_tokenizer(path), {"commit": repository.commit, "file": about}


def _convert(repository: Repository, names: list[str]) -> tuple[Tokenizer, dict[str, Any]]:
    """The tokenizer that transformers builds from these files. Scripts of the repository are not run."""
    from transformers import AutoTokenizer

    log_as_ours("transformers")
    fetched = [repository.fetch(name) for name in names]  # into one folder, that of the commit
    try:
        options = {"local_files_only": True, "trust_remote_code": False}
        made = AutoTokenizer.from_pretrained(fetched[0][0].parent, **options).backend_tokenizer
    except Exception as error:  # of many classes
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{repository.name}: no tokenizer can be built from {', '.join(names)} ({reason})") from error
    made.no_truncation()
    made.no_padding()
    return made, {"commit": repository.commit, "files": [about for _, about in fetched]}


def main(definition: dict[str, Any], corpora: list[str], local: str) -> tuple[Tokenizer, dict[str, Any]]:
    """The tokenizer as its config defines it, and what to record of its source."""
    if definition["source"] == "train":
        return train_tokenizer(definition["algorithm"], definition["vocabulary_size"], corpora), {}
    if definition["source"] == "local":
        return load_tokenizer(local), {}
    return fetch_tokenizer(definition["repository"], definition["revision"], definition["file"])


if __name__ == "__main__":
    with job(snakemake):
        made, about = main(snakemake.params.definition, list(snakemake.input.corpora), str(snakemake.input.local))
        with whole_file(snakemake.output.tokenizer) as partial:
            made.save(str(partial))
        record = {
            "tokenizer": snakemake.wildcards.tokenizer,
            "definition": snakemake.params.definition,
            **about,
            "vocabulary_size": vocabulary_size(made),
        }
        with whole_file(snakemake.output.record) as partial:
            partial.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
