"""Corpora that every machine has: the running Python's standard library, as prose and as program text."""

import platform
from collections.abc import Iterator
from typing import Any, Literal

from lm_saturation.text.shards import Shard
from lm_saturation.text.sources.base import CorpusSource, Document


class StandardLibrary(CorpusSource):
    """Text of the standard library, which depends on the version of Python."""

    def version(self) -> str:
        """The version of Python."""
        return platform.python_version()

    def texts(self) -> Iterator[str]:
        """The text of each document."""
        raise NotImplementedError

    def read(self, files: list[str], shard: Shard) -> tuple[Iterator[Document], dict[str, Any]]:  # noqa: ARG002
        """The documents of a shard, and the version of Python."""
        documents = shard.documents(([text] for text in self.texts()), self.max_documents, dealt=False)
        return documents, {"python": f"{platform.python_implementation()} {platform.python_version()}"}


class PythonDocs(StandardLibrary):
    """English prose: topics of pydoc and all docstrings of the standard library."""

    source: Literal["python-docs"]

    def texts(self) -> Iterator[str]:
        """The text of each document."""
        from lm_saturation.text.standard_library import python_docs

        return python_docs()


class PythonSource(StandardLibrary):
    """Program text: the source files of the standard library."""

    source: Literal["python-source"]

    def texts(self) -> Iterator[str]:
        """The text of each document."""
        from lm_saturation.text.standard_library import python_source

        return python_source()
