"""The table `ngram_spectrum` of smoothed rows: W of the same contexts with rows that a Kneser–Ney model gives."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lm_saturation.io.logs import log
from lm_saturation.io.tables import read_parts
from lm_saturation.ngrams.count_tables import CONTEXT_COLUMNS, context_starts, contexts_of
from lm_saturation.ngrams.kneser_ney import KneserNey
from lm_saturation.ngrams.memory import require_memory
from lm_saturation.ngrams.smoothed_gram import smoothed_spectrum
from lm_saturation.ngrams.spectrum import unigram_w_error

ELEMENT_MB = 8e-6  # of memory, of G


def smoothed_parts(
    model: KneserNey, count_tables: Iterable[str], seeds: Collection[int], keys: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """The parts of the table for the samples of these seeds in the partitions of the table `ngram_counts`."""
    for seed, counts in read_samples(count_tables, seeds):
        log.info("seed %d: %d n-grams, smoothed", seed, len(counts))
        yield {**keys, "seed": seed, "weighting": "smoothed", "min_count": 1, **smoothed_columns(model, counts)}


def require_gram_memory(model: KneserNey, memory_mb: int) -> None:
    """Raise InputError if G of the model's token types takes more memory than is allowed."""
    work = f"smoothing rows of {len(model.types)} token types"
    remedy = "choose ngrams.controls.tokenizers with fewer tokens"
    require_memory(ELEMENT_MB * len(model.types) ** 2, memory_mb, work, remedy)


def read_samples(count_tables: Iterable[str], seeds: Collection[int]) -> Iterator[tuple[int, pa.Table]]:
    """The seed and the counts of each sample of these seeds."""
    columns = ["seed", *CONTEXT_COLUMNS, "next_token", "count"]
    parts = (part for table in count_tables for part in read_parts("ngram_counts", table, columns))
    for seed, sample_parts in groupby(parts, key=lambda part: part["seed"][0].as_py()):
        if seed in seeds:
            yield seed, pa.concat_tables(sample_parts)


def smoothed_columns(model: KneserNey, counts: pa.Table) -> dict[str, Any]:
    """The columns of the table that hold numbers, for the distinct contexts of one sample."""
    spectrum = smoothed_spectrum(model, distinct_contexts(counts))
    types = len(spectrum.w_error)
    token_counts = np.bincount(counts["next_token"].to_numpy(), counts["count"].to_numpy())
    unigram = unigram_w_error(token_counts[token_counts > 0].astype(np.int64))[:types]
    return {**spectrum.columns(), "unigram_w_error": np.pad(unigram, (0, types - len(unigram)))}


def distinct_contexts(counts: pa.Table) -> NDArray[np.int64]:
    """(n, order - 1) the distinct contexts of a sample sorted by context."""
    contexts = contexts_of(counts)
    return contexts[:, context_starts(contexts)].T.astype(np.int64)
