"""The token that stands before a text that nothing else precedes."""

from typing import Any

from tokenizers import Tokenizer

from lm_saturation.errors import InputError


def first_token(tokenizer: Tokenizer, text: str | None) -> int | None:
    """The id of the token `text`, a suite's `first_token`; None if it has none.

    Raises InputError if the tokenizer has no token of that text.
    """
    if text is None:
        return None
    if (number := tokenizer.token_to_id(text)) is None:
        raise InputError(f"first_token: the tokenizer has no token {text!r}")
    return number


def start_token(model: Any, first: int | None) -> int | None:
    """The suite's first token if it has one, else the model's token for beginnings, or that for ends; None if none."""
    config = model.config.get_text_config()
    end = config.eos_token_id
    tokens = (first, config.bos_token_id, end[0] if isinstance(end, list) else end)
    return next((token for token in tokens if token is not None), None)
