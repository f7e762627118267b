"""Rule `corpus`: the documents of one shard of a corpus, from whatever source, as a Parquet table and a record."""

import hashlib
import json
import platform
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.common.jobs import InputError, job, log, progress, whole_file
from scripts.common.tables import write_tables
from scripts.corpus.hub_corpus import read_hub
from scripts.corpus.local_files import read_documents
from scripts.corpus.python_library import python_docs, python_source
from scripts.corpus.shards import Shard
from scripts.corpus.synthetic import SyntheticLanguage

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

PIECE = 1 << 20  # characters; longer documents are stored, and later tokenised, in pieces
BATCH = 1 << 22  # characters written at a time
BYTES_A_TOKEN = 8  # of text, read for each token of `max_tokens`; tokenizers need 3 to 6 on most text
# After a new line, or before a space, that stands alone: byte-level tokenizers never join tokens across these.
SAFE_CUT = re.compile(r"\S(?:\n(?=\S)|(?= \S))")


def open_source(
    definition: dict[str, Any], files: list[str], shard: Shard
) -> tuple[Iterator[Iterable[str]], dict[str, Any]]:
    """The documents of a shard as the config defines its corpus, each a stream of text, and what to record of them."""
    source, most = definition["source"], definition.get("max_documents")
    if source == "hub":
        documents, about, dealt = read_hub(definition, shard)
        return shard.documents(documents, most, dealt=dealt), about
    if source == "local":
        mine = shard.files(files)
        local = read_documents(mine, definition["text_column"], definition["documents"], definition["encoding"])
        about = {"files": [_file_record(file) for file in mine]}
        return shard.documents(local, most, dealt=shard.deals_files(files)), about
    made, about = _made_here(definition)
    return shard.documents(([text] for text in made), most, dealt=False), about


def _made_here(definition: dict[str, Any]) -> tuple[Iterator[str], dict[str, Any]]:
    """The texts of a corpus that needs no files, and what to record of it."""
    python = {"python": f"{platform.python_implementation()} {platform.python_version()}"}
    if definition["source"] == "python-docs":
        return python_docs(), python
    if definition["source"] == "python-source":
        return python_source(), python
    language = SyntheticLanguage(
        definition["vocabulary_size"], definition["rank"], definition["zipf_exponent"], definition["seed"]
    )
    truth = {"rank": language.rank, "entropy_nats": language.entropy_nats}
    return language.documents(definition["tokens"], definition["document_length"]), {"truth": truth}


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


def write_corpus(
    name: str,
    documents: Iterable[Iterable[str]],
    table: str | Path,
    most_bytes: float = float("inf"),
    *,
    may_be_empty: bool = False,
) -> dict[str, Any]:
    """Write the documents that hold any text; return their number, characters, bytes and sha256.

    Ends with the piece of text that reaches `most_bytes`. The sha256 is over the UTF-8 text, each document followed
    by one NUL byte. Raises InputError if there is no text, unless it `may_be_empty`.
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
                if record["bytes"] >= most_bytes:
                    break
            if number >= 0:
                digest.update(b"\0")
                record["documents"] += 1
            if record["bytes"] >= most_bytes:
                break
        if not record["documents"] and not may_be_empty:
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


def main(name: str, definition: dict[str, Any], files: list[str], shard: Shard, table: str, record_path: str) -> None:
    """Write the table and the record of a shard of the corpus `name`."""
    documents, about = open_source(definition, files, shard)
    most_tokens = shard.share(definition.get("max_tokens"))
    most_bytes = float("inf") if most_tokens is None else BYTES_A_TOKEN * most_tokens
    record = write_corpus(name, documents, table, most_bytes, may_be_empty=shard.of > 1)
    if not record["documents"]:
        log.warning("corpora.%s: there is no text in shard %d of %d", name, shard.number, shard.of)
    with whole_file(record_path) as partial:
        text = {"corpus": name, "shard": shard.number, "shards": shard.of, "definition": definition, **about, **record}
        partial.write_text(json.dumps(text, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with job(snakemake):
        main(
            snakemake.wildcards.corpus,
            snakemake.params.definition,
            list(snakemake.input),
            Shard(int(snakemake.wildcards.shard), snakemake.params.shards),
            snakemake.output.table,
            snakemake.output.record,
        )
