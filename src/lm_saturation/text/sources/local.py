"""A corpus of files on disk."""

import codecs
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from lm_saturation.errors import InputError
from lm_saturation.io.names import printable, trackable, untracked_version
from lm_saturation.options import Names, option
from lm_saturation.text.local_files import find_files, read_documents
from lm_saturation.text.shards import Shard
from lm_saturation.text.sources.base import CorpusSource, Document


class Local(CorpusSource):
    """Files, folders or globs: .txt, .md, .rst, .py, .jsonl, .parquet, each also .gz or .zst."""

    source: Literal["local"]
    paths: Names = option(..., "files, folders or globs")
    text_column: str = option("text", "where .jsonl and .parquet hold the text")
    documents: Literal["file", "paragraph", "line"] = option(
        "file", "document of a text file: the file, a paragraph or a line"
    )
    encoding: str = option("utf-8", "encoding of text files")

    def check(self) -> None:
        """Raise InputError if a path names nothing that can be read, or there is no such encoding."""
        try:
            codecs.lookup(self.encoding)
        except LookupError as error:
            raise InputError(str(error)) from error
        find_files(self.paths)

    def input_files(self) -> list[str]:
        """Every file that the paths name and that can be an input of jobs."""
        return [file for file in find_files(self.paths) if trackable(file)]

    def version(self) -> str | None:
        """A version of the other files."""
        return untracked_version(find_files(self.paths))

    def read(self, files: list[str], shard: Shard) -> tuple[Iterator[Document], dict[str, Any]]:
        """The documents of a shard, and the names, sizes and sha256 of its files: those given and untrackable ones."""
        files = sorted({*files, *(file for file in find_files(self.paths) if not trackable(file))})
        shard_files = shard.files(files)
        documents = read_documents(shard_files, self.text_column, self.documents, self.encoding)
        documents = shard.documents(documents, self.max_documents, dealt=shard.deals_files(files))
        return documents, {"files": [_file_record(file) for file in shard_files]}


def _file_record(name: str) -> dict[str, Any]:
    with Path(name).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"name": printable(name), "bytes": Path(name).stat().st_size, "sha256": digest}
