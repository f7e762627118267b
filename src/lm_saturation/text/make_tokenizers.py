"""Making tokenizers: training on corpora of a run, fetching from the hub, reading from disk."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from lm_saturation.errors import InputError
from lm_saturation.io.gguf_file import SUFFIX as GGUF
from lm_saturation.io.hub import Repository, list_files, open_repository
from lm_saturation.io.logs import log, redirect_log
from lm_saturation.io.tables import read_parts
from lm_saturation.text.sources.tokenizers import SENTENCEPIECE, TO_CONVERT
from lm_saturation.text.tokenizers import load_tokenizer

UNKNOWN = "[UNK]"
TOKENIZER_FILE = "tokenizer.json"
PARTS = ["vocab.json", "merges.txt"]  # instead of it, in older repositories such as OPT's
SETTINGS = ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "config.json"]


def train_tokenizer(algorithm: str, vocabulary_size: int, corpora: list[str]) -> Tokenizer:
    """Train on the text of these corpus tables.

    `byte-bpe` is byte-level byte-pair encoding as in GPT-2 and Pythia; `word` takes each run of characters without
    spaces as a token. A corpus with too little text gives fewer than `vocabulary_size` tokens, which is logged.
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

    Raises InputError if it has neither, or the hub refuses.
    """
    repository = open_repository(name, "model", revision)
    _, names = list_files(name, "model", repository.commit) or (None, {})
    if file == TOKENIZER_FILE and TOKENIZER_FILE not in names and set(PARTS) <= set(names):
        return _convert(repository, [part for part in [*PARTS, *SETTINGS] if part in names])
    if file == TOKENIZER_FILE and TOKENIZER_FILE not in names:
        for name_of_model in (part for part in names if part.endswith(SENTENCEPIECE)):
            raise InputError(f"{name}: {name_of_model} is {TO_CONVERT}; use that as source: local")
    path, file_record = repository.fetch(file)
    return read_tokenizer(path), {"commit": repository.commit, "file": file_record}


def read_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer of a tokenizer.json or of a GGUF file. Raises InputError if there is none in it."""
    if path.suffix == GGUF:
        from lm_saturation.text.gguf_tokenizer import gguf_tokenizer

        return gguf_tokenizer(path)
    return load_tokenizer(path)


def _convert(repository: Repository, names: list[str]) -> tuple[Tokenizer, dict[str, Any]]:
    """The tokenizer that transformers builds from these files. Scripts of the repository are not run."""
    from transformers import AutoTokenizer

    redirect_log("transformers")
    fetched = [repository.fetch(name) for name in names]  # into one folder, that of the commit
    try:
        options = {"local_files_only": True, "trust_remote_code": False}
        tokenizer = AutoTokenizer.from_pretrained(fetched[0][0].parent, **options).backend_tokenizer
    except Exception as error:  # of many classes
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{repository.name}: no tokenizer can be built from {', '.join(names)} ({reason})") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer, {"commit": repository.commit, "files": [file_record for _, file_record in fetched]}
