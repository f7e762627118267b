"""N-gram counts as tables: what the rules that count have in common."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from scripts.common.jobs import InputError, log
from scripts.common.tables import read_parts
from scripts.common.token_files import open_tokens
from scripts.ngrams.counting import MAX_ORDER, PART, NgramCounts, count_in_passes
from scripts.ngrams.token_chunks import NgramStream

CONTEXT_COLUMNS = [f"context_{i}" for i in range(1, MAX_ORDER)]
BASE_MB = 500  # of memory that a job takes beside its n-grams: Python and its libraries, a chunk of ids, a part
PART_MB = PART * 64 / 1e6  # of memory that a part of counts takes while it is read and merged


def sample_keys(wildcards: Mapping[str, str]) -> dict[str, Any]:
    """The keys of the tables of stage ngrams, from the wildcards of a rule."""
    keys = {name: wildcards[name] for name in ("corpus", "tokenizer")}
    return keys | {"order": int(wildcards["order"]), "sample_size": wildcards.get("sample_size", "all")}


def open_stream(records: Iterable[str], order: int, *, cross_documents: bool) -> NgramStream:
    """The n-grams of the token files with these records."""
    return NgramStream([open_tokens(record) for record in records], order, cross_documents)


def require_ngrams(stream: NgramStream) -> None:
    """Raise InputError if the corpus has no n-gram."""
    if not stream.total:
        raise InputError(
            f"corpus {stream.shards[0].record['corpus']}: no {stream.order}-gram in it, "
            f"its longest document has {stream.longest_document} tokens"
        )


def counted(
    stream: NgramStream, keys: Mapping[str, Any], seed: int, memory_mb: int, threads: int
) -> Iterator[dict[str, Any]]:
    """The parts of the table `ngram_counts` of all n-grams of a stream."""
    parts = count_in_passes(stream, stream.order, (memory_mb - BASE_MB) * 1e6, threads)
    yield from logged(parts, keys, seed)


def logged(parts: Iterable[NgramCounts], keys: Mapping[str, Any], seed: int) -> Iterator[dict[str, Any]]:
    """The columns of the table `ngram_counts` of each part; at the end, a line in the log on all of them."""
    ngrams = distinct = 0
    for part in parts:
        ngrams += int(part.counts.sum())
        distinct += len(part.counts)
        yield {**keys, "seed": seed, **table_columns(part)}
    log.info("seed %d: %d n-grams, %d distinct", seed, ngrams, distinct)


def table_columns(counts: NgramCounts) -> dict[str, Any]:
    """The columns of the table `ngram_counts` that hold the n-grams; contexts shorter than four end early."""
    *context, next_token = counts.tokens
    filled = dict(zip(CONTEXT_COLUMNS, context, strict=False))
    return {**{name: filled.get(name) for name in CONTEXT_COLUMNS}, "next_token": next_token, "count": counts.counts}


def read_counts(path: str, order: int, where: tuple[str, int, int] | None = None) -> Iterator[NgramCounts]:
    """The n-grams of a table `ngram_counts`, part by part."""
    columns = [*CONTEXT_COLUMNS[: order - 1], "next_token"]
    for part in read_parts("ngram_counts", path, [*columns, "count"], where):
        yield ngram_columns(part, columns)


def ngram_columns(part: pa.Table, columns: list[str]) -> NgramCounts:
    """The n-grams of a part of the table `ngram_counts`."""
    return NgramCounts(np.stack([part[name].to_numpy() for name in columns]), part["count"].to_numpy())
