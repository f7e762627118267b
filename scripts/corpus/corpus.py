"""Rule `corpus`: the documents of one corpus, from whatever source, as a Parquet table and a record."""

import hashlib
import json
import platform
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.common.jobs import InputError, job, progress, whole_file
from scripts.common.tables import write_tables
from scripts.corpus.local_files import read_documents
from scripts.corpus.python_library import python_docs, python_source
from scripts.corpus.synthetic import SyntheticLanguage

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

PIECE = 1 << 20  # characters; longer documents are stored, and later tokenised, in pieces
BATCH = 1 << 22  # characters written at a time
# After a new line, or before a space, that stands alone: byte-level tokenizers never join tokens across these.
SAFE_CUT = re.compile(r"\S(?:\n(?=\S)|(?= \S))")


def open_source(definition: dict[str, Any], files: list[str]) -> tuple[Iterator[Iterable[str]], dict[str, Any]]:
    """The documents of a corpus as its config defines it, each a stream of text, and what to record of the source."""
    source = definition["source"]
    python = {"python": f"{platform.python_implementation()} {platform.python_version()}"}
    if source == "python-docs":
        return ([text] for text in python_docs()), python
    if source == "python-source":
        return ([text] for text in python_source()), python
    if source == "synthetic":
        language = SyntheticLanguage(
            definition["vocabulary_size"], definition["rank"], definition["zipf_exponent"], definition["seed"]
        )
        documents = language.documents(definition["tokens"], definition["document_length"])
        truth = {"rank": language.rank, "entropy_nats": language.entropy_nats}
        return ([text] for text in documents), {"truth": truth}
    local = read_documents(files, definition["text_column"], definition["documents"], definition["encoding"])
    return local, {"files": [_file_record(file) for file in files]}


def _file_record(name: str) -> dict[str, Any]:
    with Path(name).open("rb") as file:
        return {
            "name": name,
            "bytes": Path(name).stat().st_size,
            "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
        }


def cut(pieces: Iterable[str], longest: int = PIECE) -> Iterator[str]:
    """Join a document's pieces and cut it anew, into pieces of about `longest` characters, at safe places."""
    rest = ""
    for piece in pieces:
        rest += piece
        while len(rest) > longest:
            match = SAFE_CUT.search(rest, longest, 2 * longest + 1)
            if match is None and len(rest) <= 2 * longest:
                break  # no safe place yet: wait for more text
            end = match.end() if match else longest
            yield rest[:end]
            rest = rest[end:]
    if rest:
        yield rest


def write_corpus(name: str, documents: Iterable[Iterable[str]], table: str | Path) -> dict[str, Any]:
    """Write the documents that hold any text; return their number, characters, bytes and sha256.

    The sha256 is over the UTF-8 text, each document followed by one NUL byte. Raises InputError if there is no text.
    """
    digest = hashlib.sha256()
    record = {"documents": 0, "characters": 0, "bytes": 0}

    def rows() -> Iterator[tuple[int, int, str]]:
        for pieces in progress(documents, f"corpus {name}", unit="document"):
            number = -1
            for number, text in enumerate(cut(pieces)):
                data = text.encode("utf-8", "replace")  # a lone surrogate, legal in JSON, becomes "?"
                digest.update(data)
                record["characters"] += len(text)
                record["bytes"] += len(data)
                yield record["documents"], number, data.decode("utf-8")
            if number >= 0:
                digest.update(b"\0")
                record["documents"] += 1
        if not record["documents"]:
            raise InputError(f"corpora.{name}: there is no text in it")

    write_tables("corpus_text", table, _batches(name, rows()))
    return {**record, "sha256": digest.hexdigest()}


def _batches(corpus: str, rows: Iterable[tuple[int, int, str]]) -> Iterator[dict[str, Any]]:
    batch: list[tuple[int, int, str]] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row[2])
        if size > BATCH:
            yield _columns(corpus, batch)
            batch, size = [], 0
    if batch:
        yield _columns(corpus, batch)


def _columns(corpus: str, batch: list[tuple[int, int, str]]) -> dict[str, Any]:
    document, piece, text = zip(*batch, strict=True)
    return {"corpus": corpus, "document": list(document), "piece": list(piece), "text": list(text)}


def main(name: str, definition: dict[str, Any], files: list[str], table: str, record_path: str) -> None:
    """Write the table and the record of the corpus `name`."""
    documents, about = open_source(definition, files)
    if (most := definition.get("max_documents")) is not None:
        documents = islice(documents, most)
    record = write_corpus(name, documents, table)
    with whole_file(record_path) as partial:
        text = json.dumps({"corpus": name, "definition": definition, **about, **record}, indent=2)
        partial.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    with job(snakemake):
        main(
            snakemake.wildcards.corpus,
            snakemake.params.definition,
            list(snakemake.input),
            snakemake.output.table,
            snakemake.output.record,
        )
