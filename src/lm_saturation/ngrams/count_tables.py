"""The table `ngram_counts`: n-gram counts of samples of a corpus, written and read part by part."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lm_saturation.errors import InputError
from lm_saturation.io.logs import log
from lm_saturation.io.tables import read_parts
from lm_saturation.ngrams.counting import MAX_ORDER, NgramCounts, count_in_passes
from lm_saturation.ngrams.memory import PROCESS_MB
from lm_saturation.ngrams.stream import NgramStream
from lm_saturation.text.token_files import open_shards

CONTEXT_COLUMNS = [f"context_{i}" for i in range(1, MAX_ORDER)]


def sample_keys(wildcards: Mapping[str, str]) -> dict[str, Any]:
    """The key columns of the tables of stage ngrams but the seed, from the wildcards of a rule."""
    keys = {name: wildcards[name] for name in ("corpus", "tokenizer")}
    return keys | {"order": int(wildcards["order"]), "sample_size": wildcards.get("sample_size", "all")}


def open_stream(token_files: Iterable[str], order: int, *, cross_documents: bool) -> NgramStream:
    """The n-grams of the token files of a corpus."""
    return NgramStream(open_shards(token_files), order, cross_documents)


def draw_samples(stream: NgramStream, sample_size: str, seeds: Sequence[int]) -> Iterator[tuple[int, NgramStream]]:
    """For each seed a sample of so many n-grams, or of all if `sample_size` is "all" or there are fewer.

    Raises InputError if the corpus has no n-gram.
    """
    if not stream.total:
        raise InputError(
            f"corpus {stream.shards[0].record['corpus']}: no {stream.order}-gram in it, "
            f"its longest document has {stream.longest_document} tokens"
        )
    for seed in seeds:
        if sample_size == "all":
            yield seed, stream
            continue
        if int(sample_size) > stream.total:
            log.warning(
                "asked for %s %d-grams; the corpus has %d: all are taken", sample_size, stream.order, stream.total
            )
        yield seed, stream.sample(int(sample_size), seed)


def count_samples(
    samples: Iterable[tuple[int, NgramStream]], keys: Mapping[str, Any], memory_mb: int, threads: int
) -> Iterator[dict[str, Any]]:
    """The parts of the table of these samples, each with its seed. Raises InputError as `count_in_passes`."""
    for seed, sample in samples:
        counts = count_in_passes(sample, sample.order, (memory_mb - PROCESS_MB) * 1e6, threads)
        yield from count_columns(counts, keys, seed)


def count_columns(counts: Iterable[NgramCounts], keys: Mapping[str, Any], seed: int) -> Iterator[dict[str, Any]]:
    """The columns of the table for each part of the counts of a sample. At the end, the log gets their totals."""
    ngrams = distinct = 0
    for part in counts:
        ngrams += int(part.counts.sum())
        distinct += len(part.counts)
        yield {**keys, "seed": seed, **_ngram_columns(part)}
    log.info("seed %d: %d n-grams, %d distinct", seed, ngrams, distinct)


def _ngram_columns(part: NgramCounts) -> dict[str, Any]:
    """The columns that hold the n-grams; of contexts shorter than four tokens the last ones are empty."""
    *context, next_token = part.tokens
    context_columns = {**dict.fromkeys(CONTEXT_COLUMNS), **dict(zip(CONTEXT_COLUMNS, context, strict=False))}
    return {**context_columns, "next_token": next_token, "count": part.counts}


def read_counts(path: str, order: int, where: tuple[str, int, int] | None = None) -> Iterator[NgramCounts]:
    """The n-grams of a table, part by part; `where` as in `read_parts`. Raises InputError if the file is damaged."""
    columns = [*CONTEXT_COLUMNS[: order - 1], "next_token"]
    for part in read_parts("ngram_counts", path, [*columns, "count"], where):
        yield NgramCounts(np.stack([part[name].to_numpy() for name in columns]), part["count"].to_numpy())


def contexts_of(part: pa.Table) -> NDArray[np.uint32]:
    """(order - 1, n) the contexts of the n-grams of a part of the table."""
    return np.stack([part[name].to_numpy() for name in CONTEXT_COLUMNS if not part[name].null_count])


def context_starts(contexts: NDArray[Any]) -> NDArray[np.bool_]:
    """(n,) whether each of the sorted contexts, (order - 1, n), is another than the one before it."""
    starts = np.ones(contexts.shape[1], np.bool_)
    starts[1:] = (contexts[:, 1:] != contexts[:, :-1]).any(axis=0)
    return starts
