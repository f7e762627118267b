"""Reading a tokenizer.json."""

from pathlib import Path

from tokenizers import Tokenizer

from scripts.common.jobs import InputError


def load_tokenizer(path: str | Path) -> Tokenizer:
    """Read a tokenizer.json; its truncation and padding, if any, are switched off.

    Raises InputError if the file is not a tokenizer.
    """
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
