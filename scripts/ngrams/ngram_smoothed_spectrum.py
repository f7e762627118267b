"""Rule `ngram_smoothed_spectrum`: W-error of the same contexts' rows as the Kneser–Ney model gives them, a control."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scripts.common.held_out import split_documents
from scripts.common.jobs import InputError, job, log
from scripts.common.tables import read_parts, write_tables
from scripts.common.token_files import open_tokens
from scripts.ngrams.count_tables import BASE_MB, CONTEXT_COLUMNS, sample_keys
from scripts.ngrams.kneser_ney import KneserNey, check_memory, estimate
from scripts.ngrams.smoothed import smoothed_spectrum
from scripts.ngrams.spectrum import unigram_w_error

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def distinct_contexts(counts: pa.Table) -> NDArray[np.int64]:
    """(n, order - 1) the contexts of a sample sorted by context."""
    columns = [counts[name].to_numpy() for name in CONTEXT_COLUMNS if not counts[name].null_count]
    contexts = np.stack(columns, axis=1).astype(np.int64)
    return contexts[np.append(True, (contexts[1:] != contexts[:-1]).any(1))]


def spectrum_columns(model: KneserNey, counts: pa.Table) -> dict[str, Any]:
    """The columns of the table `ngram_spectrum` that hold numbers, for the contexts of one sample."""
    spectrum = smoothed_spectrum(model, distinct_contexts(counts))
    types = len(spectrum.w_error)
    token_counts = np.bincount(counts["next_token"].to_numpy(), counts["count"].to_numpy())
    unigram = unigram_w_error(token_counts[token_counts > 0].astype(np.int64))[:types]
    return {**spectrum.columns(), "unigram_w_error": np.pad(unigram, (0, types - len(unigram)))}


def samples(tables: Iterable[str], seeds: Iterable[int]) -> Iterator[tuple[int, pa.Table]]:
    """The seed and the counts of each sample wanted from the partitions of the table `ngram_counts`."""
    columns = ["seed", *CONTEXT_COLUMNS, "next_token", "count"]
    parts = (part for table in tables for part in read_parts("ngram_counts", table, columns))
    for seed, of_seed in groupby(parts, key=lambda part: part["seed"][0].as_py()):
        if seed in seeds:
            yield seed, pa.concat_tables(of_seed)


def spectra(
    tables: list[str], records: list[str], keys: dict[str, Any], options: Any, memory_mb: int
) -> Iterator[dict[str, Any]]:
    """The columns of the table `ngram_spectrum` for each sample.

    The model is that of rule `ngram_language_model`, estimated again: that takes less time than to read it. Raises
    InputError if G does not fit in memory.
    """
    check_memory(records, memory_mb)
    shards = [open_tokens(record) for record in records]
    train = split_documents(shards, options.held_out, options.split_seed).train
    model = estimate(train.ids, train.ends, shards[0].vocabulary_size)
    if (needed := BASE_MB + 8 * len(model.types) ** 2 / 1e6) > memory_mb:
        raise InputError(
            f"ngrams.memory_mb is {memory_mb}; the smoothed rows of {len(model.types)} token types take {needed:.0f}: "
            "allow more, or choose smaller ngrams.controls.tokenizers"
        )
    for seed, counts in samples(tables, options.seeds):
        log.info("seed %d: %d n-grams, smoothed", seed, len(counts))
        yield {**keys, "seed": seed, "weighting": "smoothed", "min_count": 1, **spectrum_columns(model, counts)}


if __name__ == "__main__":
    with job(snakemake):
        parts = spectra(
            list(snakemake.input.counts),
            list(snakemake.input.records),
            sample_keys(dict(snakemake.wildcards)),
            snakemake.params,
            snakemake.resources.mem_mb,
        )
        write_tables("ngram_spectrum", snakemake.output[0], parts)
