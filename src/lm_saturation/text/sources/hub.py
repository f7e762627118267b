"""A corpus of a data set of the Hugging Face hub."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from lm_saturation.options import Count, Repository, Revision, Section, Seed, Text, option
from lm_saturation.text.shards import Shard
from lm_saturation.text.sources.base import CorpusSource, Document


class Shuffle(Section):
    """Files in random order, and documents through a buffer."""

    seed: Seed = option(..., "seed of the order")
    buffer: Count = option(1000, "documents that the next one is drawn from")


class Hub(CorpusSource):
    """A data set whose files `datasets` can read, at one commit."""

    fetched: ClassVar[bool] = True

    source: Literal["hub"]
    repository: Repository = option(..., "a data set of the Hugging Face hub")
    revision: Revision = option(..., "commit; a branch or tag can move")
    configuration: Text | None = option(None, "one of the configurations of the data set")
    split: Text = option("train", "one of its splits")
    text_column: str = option("text", "where it holds the text")
    shuffle: Shuffle | None = option(None, "take its files and documents in random order")

    def read(self, files: list[str], shard: Shard) -> tuple[Iterator[Document], dict[str, Any]]:  # noqa: ARG002
        """The documents of a shard, and the commit and files that they come from."""
        from lm_saturation.text.hub_stream import read_hub

        documents, record, files_dealt = read_hub(self, shard)
        return shard.documents(documents, self.max_documents, dealt=files_dealt), record
