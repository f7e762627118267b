"""Text from a data set of the Hugging Face hub, through `datasets` in streaming mode, file by file.

The files of a split are those of one commit. Each is fetched when the stream comes to it, so that a limit on
documents or tokens limits the download too.
"""

import copy
import gc
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lm_saturation.errors import InputError
from lm_saturation.io.hub import Repository, open_repository
from lm_saturation.io.logs import redirect_log
from lm_saturation.io.retry import with_retries
from lm_saturation.text.shards import Shard

if TYPE_CHECKING:
    from lm_saturation.text.sources.hub import Hub, Shuffle

ROWS = 256  # decoded at a time from Parquet, whose row groups can be large


def read_hub(corpus: "Hub", shard: Shard) -> tuple[Iterator[list[str]], dict[str, Any], bool]:
    """The texts of this shard, the record of their origin, and whether files are dealt out to shards.

    The record's `files` grow as the stream comes to them. Raises InputError if the repository, configuration, split
    or column is unknown, or the hub refuses.
    """
    repository = open_repository(corpus.repository, "dataset", corpus.revision)
    builder = _open_builder(repository, corpus.configuration)
    files = _files_of_split(repository, builder, corpus.split)
    record: dict[str, Any] = {"commit": repository.commit, "configuration": builder.config.name, "files": []}
    reader = _Reader(repository, builder, corpus.split, corpus.text_column, record["files"])
    texts = reader.texts(list(shard.files(files)), corpus.shuffle)
    return texts, record, shard.deals_files(files)


def _open_builder(repository: Repository, configuration: str | None) -> Any:
    """The builder of `datasets` for the files of the repository at its commit."""
    from datasets import disable_progress_bars, load_dataset_builder

    disable_progress_bars()
    redirect_log("datasets")
    # `hf://`, so that no folder here of the same name is read; a cache that is empty, because `datasets` would take
    # an older copy from it if the hub were out of reach.
    address = f"hf://datasets/{repository.name}"
    with tempfile.TemporaryDirectory() as cache:
        try:
            return with_retries(
                repository.name,
                lambda: load_dataset_builder(address, configuration, revision=repository.commit, cache_dir=cache),
            )
        except (ValueError, RuntimeError, OSError) as error:  # unknown configuration, a script, or no data files
            raise InputError(f"{repository.name}: {' '.join(str(error).split())}") from error


def _files_of_split(repository: Repository, builder: Any, split: str) -> list[str]:
    """The paths in the repository of the split's files, in order."""
    splits = builder.config.data_files or {}
    if split not in splits:
        raise InputError(f"{repository.name} has no split {split!r}; it has {', '.join(map(str, splits))}")
    prefix = f"hf://datasets/{repository.name}@{repository.commit}/"
    return [file.removeprefix(prefix) for file in splits[split]]


def _documents(rows: Iterable[dict[str, str]]) -> Iterator[list[str]]:
    """The text of each row as a document of one piece.

    Files that are half read, as at a limit, are closed with the stream: left to the end of the interpreter, pyarrow's
    threads abort it after all work is done (apache/arrow, issue 45214; huggingface/datasets, issue 7357).
    """
    try:
        for row in rows:
            yield [row["text"]]
    finally:
        del rows
        gc.collect()  # their readers are in cycles of references


class _Reader:
    """Reads the files of a split; every file read is added to `record`."""

    def __init__(self, repository: Repository, builder: Any, split: str, column: str, record: list[Any]) -> None:
        self.repository, self.builder, self.split, self.column, self.record = repository, builder, split, column, record

    def texts(self, files: list[str], shuffle: "Shuffle | None") -> Iterator[list[str]]:
        """The documents of the files; with `shuffle`, files in random order and documents through a buffer."""
        from datasets import IterableDataset

        stream: Any = IterableDataset.from_generator(self.rows, gen_kwargs={"files": files})
        if shuffle:  # one file at a time: to fill the buffer from several, all of those would have to be fetched
            stream = stream.shuffle(shuffle.seed, buffer_size=shuffle.buffer, max_buffer_input_shards=1)
        return _documents(stream)

    def rows(self, files: list[str]) -> Iterator[dict[str, str]]:
        """The text of each row of the files, fetched one by one. Raises InputError if a file cannot be read."""
        import pyarrow as pa
        from datasets.exceptions import DatasetGenerationError

        for name in files:
            path, file_record = self.repository.fetch(name)
            self.record.append(file_record)
            try:
                for row in self.open_file(name, path):
                    yield {"text": self.text(name, row[self.column])}
            except (pa.ArrowException, DatasetGenerationError, OSError, ValueError, EOFError) as error:
                raise InputError(f"{self.repository.name}: {name} cannot be read ({error})".split("\n")[0]) from error

    def open_file(self, name: str, path: Path) -> Any:
        """One file as a data set of `datasets`; of Parquet only the column of the text is read."""
        builder = copy.deepcopy(self.builder)
        builder.config.data_files = {self.split: [str(path)]}
        if hasattr(builder.config, "batch_size"):
            builder.config.batch_size = ROWS
        rows = builder.as_streaming_dataset(self.split)
        columns = rows.column_names or list(next(iter(rows), {self.column: None}))
        if self.column not in columns:
            raise InputError(
                f"{self.repository.name}: {name} has no column {self.column!r}; it has {', '.join(columns)}"
            )
        if not hasattr(builder.config, "columns"):
            return rows
        builder.config.columns = [self.column]
        return builder.as_streaming_dataset(self.split)

    def text(self, name: str, value: Any) -> str:
        """The value if it is text; an empty text where there is none."""
        if not isinstance(value, str | None):
            kind = type(value).__name__
            raise InputError(f"{self.repository.name}: {name}: column {self.column!r} holds {kind}, not text")
        return value or ""
