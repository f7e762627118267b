"""The base class of all sources of documents."""

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from lm_saturation.options import Count, Section, option
from lm_saturation.text.shards import Shard

Document = Iterable[str]  # pieces of text, so that a long document need not fit memory


class CorpusSource(Section):
    """Where the documents of a corpus come from: the options that a configuration gives, and how to read them.

    A new source is a subclass in a file of its own, with a `source` of its own, in SOURCES.
    """

    fetched: ClassVar[bool] = False  # from the network: its jobs run where there is one
    natural: ClassVar[bool] = True  # text that people wrote: the papers' claims are about no other

    source: str
    max_documents: Count | None = option(None, "take only the first documents")
    max_tokens: Count | None = option(None, "take only the first tokens, of each tokenizer")

    def check(self) -> None:
        """Raise InputError if what the options name is not there: files, encodings."""

    def input_files(self) -> list[str]:
        """The files that the documents are read from; none if they do not lie on disk."""
        return []

    def version(self) -> str | None:
        """A version on which the text depends beside the options and the files, such as that of Python."""
        return None

    def read(self, files: list[str], shard: Shard) -> tuple[Iterator[Document], dict[str, Any]]:
        """The documents of one shard of the corpus, and what its record says of their origin.

        `files` are those of `input_files`. Raises InputError, naming the file, if one cannot be read.
        """
        raise NotImplementedError
