"""Reading a tokenizer.json."""

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from lm_saturation.errors import InputError

MAXIMUM_BYTES = 200_000_000  # Gemma's, with 256,000 tokens, has 34 MB; reading takes ten times as much memory


def load_tokenizer(path: str | Path) -> Tokenizer:
    """Read a tokenizer.json; its truncation and padding, if any, are switched off.

    Raises InputError if the file is not a tokenizer, or far larger than any.
    """
    if (size := Path(path).stat().st_size) > MAXIMUM_BYTES:
        raise InputError(f"{path}: {size / 1e6:,.0f} MB; allowed for a tokenizer.json: {MAXIMUM_BYTES / 1e6:.0f} MB")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a tokenizer.json of the `tokenizers` library ({reason})") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def vocabulary_size(tokenizer: Tokenizer) -> int:
    """One more than the largest id; ids may have gaps, so this can exceed the number of tokens."""
    return max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1


def continuing(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer for text in the middle of a document: it puts no space before it, as some do before a text.

    Llama-2's does so in its normalizer, others in their pre-tokenizer. The tokenizer itself if it puts none.
    """
    definition = json.loads(tokenizer.to_str())
    changed = {**definition, **{part: _without_prefix(definition[part]) for part in ("normalizer", "pre_tokenizer")}}
    return tokenizer if changed == definition else Tokenizer.from_str(json.dumps(changed))


def _without_prefix(part: Any) -> Any:
    """A normalizer, a pre-tokenizer or a list of them, as in tokenizer.json, so that it puts no space before a text."""
    if isinstance(part, list):
        return [_without_prefix(component) for component in part if component["type"] != "Prepend"]
    if not isinstance(part, dict):
        return part
    if part["type"] == "Prepend":
        return None
    never = {"prepend_scheme": "never", "add_prefix_space": False}
    nested = {key: _without_prefix(value) for key, value in part.items() if isinstance(value, list)}
    return {**part, **nested, **{key: never[key] for key in never if key in part}}
