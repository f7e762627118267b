"""Width and attention heads of the transformers that are built here."""

from typing import Self

from pydantic import model_validator

from lm_saturation.options import Section, option, refused

HEAD_MULTIPLE = 8  # dimensions of an attention head: a quarter of them is rotary, in pairs


class AttentionShape(Section):
    """Width and attention heads, which must divide it into parts that rotary embeddings can turn.

    A quarter of each attention head is rotary (GPT-NeoX), in pairs of dimensions.
    """

    width: int = option(..., "hidden size; a multiple of 8 x attention_heads", ge=1)
    attention_heads: int = option(..., "attention heads/layer; from 1", ge=1)

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.width % (HEAD_MULTIPLE * self.attention_heads):
            raise refused(
                f"has width {self.width} and {self.attention_heads} attention heads; allowed: a width that is a "
                f"multiple of {HEAD_MULTIPLE} x attention_heads"
            )
        return self
