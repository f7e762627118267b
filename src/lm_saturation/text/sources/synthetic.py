"""A corpus of a language whose true rank, entropy and unigram law are known."""

import math
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lm_saturation.options import Count, option, refused
from lm_saturation.text.shards import Shard
from lm_saturation.text.sources.base import CorpusSource, Document

CONTEXT = 4  # tokens that the next one depends on


def token_classes(rank: int) -> int:
    """The smallest number of token classes with at least `rank` different contexts of four."""
    return max(2, math.ceil(rank ** (1 / CONTEXT)))


def maximum_rank(vocabulary_size: int, rank: int) -> int:
    """The highest rank that the construction can reach with as many classes as `rank` needs."""
    return vocabulary_size - token_classes(rank) + 1


class Synthetic(CorpusSource):
    """A language of known rank (see lm_saturation.text.synthetic_language)."""

    natural: ClassVar[bool] = False

    source: Literal["synthetic"]
    vocabulary_size: Annotated[int, Field(ge=2, le=65536)] = option(..., "distinct words; 2 to 65536")
    rank: Count = option(..., "rank of the true conditional matrix")
    tokens: Count = option(..., "words in the corpus")
    document_length: Count = option(10000, "words in a document")
    zipf_exponent: Annotated[float, Field(ge=0)] = option(1.0, "exponent of the unigram law")
    seed: Annotated[int, Field(ge=0)] = option(0, "seed of the language and of its text")

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        highest = maximum_rank(self.vocabulary_size, self.rank)
        if self.rank > highest:
            raise refused(f".rank is {self.rank}; allowed with {self.vocabulary_size} tokens: 1 to {highest}")
        return self

    def read(self, files: list[str], shard: Shard) -> tuple[Iterator[Document], dict[str, Any]]:  # noqa: ARG002
        """The documents of a shard, and the truth about the language."""
        from lm_saturation.text.synthetic_language import SyntheticLanguage

        language = SyntheticLanguage(self.vocabulary_size, self.rank, self.zipf_exponent, self.seed)
        texts = ([text] for text in language.documents(self.tokens, self.document_length))
        truth = {"rank": language.rank, "entropy_nats": language.entropy_nats}
        return shard.documents(texts, self.max_documents, dealt=False), {"truth": truth}
