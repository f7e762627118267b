"""The tokenizer in a GGUF file.

transformers builds it from the vocabulary and merges in the file, but for the pattern that cuts text before merging:
the file only names it (tokenizer.ggml.pre), and for names that it does not know, transformers takes GPT-2's. Here such
a name is refused, unless its pattern is known.
"""

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, pre_tokenizers

from lm_saturation.errors import InputError
from lm_saturation.io.gguf_file import open_gguf
from lm_saturation.io.logs import redirect_log

MODEL, PATTERN, TOKENS = "tokenizer.ggml.model", "tokenizer.ggml.pre", "tokenizer.ggml.tokens"
LIKE_GPT2 = ("gpt-2", "gpt2", "mpt", "olmo", "jais", "phi-2", "trillion")  # in llama.cpp, which defines these names
DIGITS_APART = ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b")


def gguf_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer of a GGUF file.

    Raises InputError if the file is damaged, holds no tokenizer that transformers can build, or names a pattern that is
    not known, and if the package gguf is missing.
    """
    fields = open_gguf(path).fields
    tokenizer = _built(path)
    if TOKENS in fields:
        tokenizer = _without_others(tokenizer, len(fields[TOKENS].data))
    if MODEL in fields and fields[MODEL].contents() == "gpt2":  # byte-level BPE; SentencePiece has no pattern
        _set_pattern(tokenizer, fields[PATTERN].contents() if PATTERN in fields else "none", path)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _built(path: Path) -> Tokenizer:
    """What transformers builds. Raises InputError if it cannot."""
    from transformers import AutoTokenizer

    redirect_log("transformers")
    try:
        built: Any = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name, local_files_only=True)
    except Exception as error:  # of many classes
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(
            f"{path}: transformers builds no tokenizer from it ({reason}); give a tokenizer.json"
        ) from error
    tokenizer: Tokenizer = built.backend_tokenizer
    return tokenizer


def _without_others(tokenizer: Tokenizer, count: int) -> Tokenizer:
    """Without the special tokens that transformers adds to the file's `count` tokens: the model has no row for them."""
    definition = json.loads(tokenizer.to_str())
    definition["added_tokens"] = [token for token in definition["added_tokens"] if token["id"] < count]
    return Tokenizer.from_str(json.dumps(definition))


def _set_pattern(tokenizer: Tokenizer, name: str, path: Path) -> None:
    """Let it cut text by the pattern of that name."""
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

    if name in DIGITS_APART:
        digits, bytes_ = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, bytes_])
    elif name not in LIKE_GPT2 and name not in GGUF_PRE_TOKENIZER_SPLITS:
        known = ", ".join(sorted({*LIKE_GPT2, *DIGITS_APART, *GGUF_PRE_TOKENIZER_SPLITS}))
        raise InputError(f"{path}: {PATTERN} is {name!r}, which is not known; known: {known}; or give a tokenizer.json")
