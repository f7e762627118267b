"""A model as lm-evaluation-harness reads it and lets it write.

The harness takes the token that ends and pads texts from the tokenizer: where that names none it fails, or adds one
that the model has no row for. Here they are the model's own.
"""

from collections.abc import Callable
from typing import Any

import torch
from lm_eval.models.huggingface import HFLM


class HarnessModel(HFLM):
    """`check_rows` is called with the largest id of the texts that the model is to go on with."""

    def __init__(self, model: Any, tokenizer: Any, check_rows: Callable[[int], None], **options: Any) -> None:
        ids = tokenizer.get_vocab().values()
        self.end_token = _end_token(model, ids)
        self.check_rows = check_rows
        # ends what a model has written: behind an answer that is complete nothing else may stand
        tokenizer.pad_token_id = min(ids) if self.end_token is None else self.end_token
        super().__init__(pretrained=model, tokenizer=tokenizer, backend="causal", **options)

    @property
    def eot_token_id(self) -> int | None:
        """The token that ends a text; None if the model or its tokenizer has none."""
        return self.end_token

    def tok_decode(self, tokens: Any, skip_special_tokens: bool = True) -> Any:
        """The text of tokens; None of the end of texts if there is none."""
        return None if tokens is None else super().tok_decode(tokens, skip_special_tokens)

    def tok_batch_encode(self, *args: Any, **options: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """The ids of texts, padded, and which are no padding. Raises what `check_rows` does."""
        ids, mask = super().tok_batch_encode(*args, **options)
        self.check_rows(int(ids.max()))
        return ids, mask


def _end_token(model: Any, known: Any) -> int | None:
    """The first token at which the model stops writing, if the tokenizer has it."""
    end = model.generation_config.eos_token_id
    first = end[0] if isinstance(end, list) and end else end
    return first if first in known else None
