"""Rule `ngram_spectrum`: the singular values of W and W-error at every d, with the controls beside them."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_array

from scripts.common.jobs import job, log
from scripts.common.tables import part_ranges, read_parts, write_tables
from scripts.common.token_files import read_record
from scripts.ngrams.count_tables import BASE_MB, sample_keys
from scripts.ngrams.gpu import find_device
from scripts.ngrams.gram import Survey
from scripts.ngrams.spectrum import METHODS, Limits, Spectrum, find_spectrum, least_dimension, unigram_w_error
from scripts.ngrams.thresholds import HALF, NEGLIGIBLE

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

LEAST_BUFFER = 1e8  # bytes beside the blocks: with less, the rows would be read too many times
COLUMNS = ["row", "next_token", "row_count", "probability"]


def limits(options: Any, vocabulary_size: int, mem_mb: int, threads: int) -> Limits:
    """What the rule's parameters and resources allow; `mem_mb` includes the blocks that are solved on the CPU.

    Raises InputError if a GPU is asked for and there is none.
    """
    if options.device == "cuda":
        find_device()
    solved = 8 * min(options.exact_limit, vocabulary_size) ** 2 if options.device == "cpu" else 0
    memory_bytes = max((mem_mb - BASE_MB) * 1e6 - solved, LEAST_BUFFER)
    return Limits(options.exact_limit, options.tolerance, memory_bytes, threads, options.device)


def weigh(entries: pa.Table, weighting: str, min_count: int, vocabulary_size: int) -> tuple[csr_array, NDArray[Any]]:
    """Rows of W under a control, and how often each of their entries was counted.

    `count` scales a row by the square root of its count, so that G = WᵀW is a mean over n-grams, not over contexts.
    """
    row_count = entries["row_count"].to_numpy()
    kept = row_count >= min_count
    probability, row_count = entries["probability"].to_numpy()[kept], row_count[kept]
    row = entries["row"].to_numpy()[kept]
    begins = np.flatnonzero(np.diff(row, prepend=-1))
    value = probability * np.sqrt(row_count) if weighting == "count" else probability
    token = entries["next_token"].to_numpy()[kept].astype(np.int32)
    matrix = csr_array((value, token, np.append(begins, len(row))), shape=(len(begins), vocabulary_size))
    return matrix, np.rint(probability * row_count).astype(np.int64)


def survey_sample(
    parts: Iterable[tuple[csr_array, NDArray[np.int64]]], vocabulary_size: int
) -> tuple[Survey, NDArray[np.int64]]:
    """What one pass over W tells, and how often each token type that occurs was counted."""
    survey, token_counts = Survey(vocabulary_size), np.zeros(vocabulary_size)
    for matrix, counts in parts:
        survey.add(matrix)
        token_counts += np.bincount(matrix.indices, counts, vocabulary_size)
    return survey, token_counts[survey.occurs].astype(np.int64)


def summarise(
    survey: Survey, spectrum: Spectrum, token_counts: NDArray[np.int64], unigram: NDArray[np.float64]
) -> dict[str, Any]:
    """The columns of the table `ngram_summary` for one W; `unigram` (types,) is the W-error of the baseline."""
    errors, norms = spectrum.w_error, spectrum.column_norm_w_error
    return {
        "vocabulary_size": len(survey.occurs),
        "ngrams": int(token_counts.sum()),
        "contexts": survey.contexts,
        "one_hot_contexts": survey.one_hot_contexts,
        "types": len(errors),
        "method": max(spectrum.method, key=METHODS.index),
        "bracket": float((spectrum.w_error_high - spectrum.w_error_low).max()),
        "rank": spectrum.rank,
        "frobenius_norm": float(np.sqrt(survey.squared_norms.sum())),
        "components": len(spectrum.component_sizes),
        "largest_component": int(spectrum.component_sizes[0]),
        "halving_dimension": least_dimension(errors, HALF),
        "negligible_dimension": least_dimension(errors, NEGLIGIBLE),
        "column_norm_halving_dimension": least_dimension(norms, HALF),
        "column_norm_negligible_dimension": least_dimension(norms, NEGLIGIBLE),
        "column_norm_gap": float(np.abs(norms - errors).max()),
        "unigram_halving_dimension": least_dimension(unigram, HALF),
        "unigram_negligible_dimension": least_dimension(unigram, NEGLIGIBLE),
    }


class Sample:
    """W of one seed in the table `ngram_matrix` under a control; iterating over it is a pass over its rows."""

    def __init__(self, path: str, seed: int, weighting: str, min_count: int, vocabulary_size: int) -> None:
        self.path, self.seed = path, seed
        self.control = weighting, min_count, vocabulary_size

    def __iter__(self) -> Iterator[tuple[csr_array, NDArray[np.int64]]]:
        """Some rows of W, and the counts of their entries, at a time."""
        for part in read_parts("ngram_matrix", self.path, COLUMNS, ("seed", self.seed, self.seed)):
            yield weigh(part, *self.control)

    def rows(self) -> Iterator[csr_array]:
        """Some rows of W at a time."""
        return (matrix for matrix, _ in self)


def main(
    matrix_path: str, vocabulary_size: int, variants: list[list[Any]], allowed: Limits, keys: dict[str, Any]
) -> Iterator[dict[str, dict[str, Any]]]:
    """The columns of the tables for every sample in the matrix table under every control, by the name of the table."""
    for seed in sorted({low for low, _, _ in part_ranges("ngram_matrix", matrix_path, "seed")}):
        for weighting, min_count in variants:
            sample = Sample(matrix_path, seed, weighting, min_count, vocabulary_size)
            survey, token_counts = survey_sample(sample, vocabulary_size)
            if not survey.contexts:
                log.warning("seed %d: no context is seen %d times, so no spectrum for that control", seed, min_count)
                continue
            log.info("seed %d, %s, seen %d times: %d contexts", seed, weighting, min_count, survey.contexts)
            spectrum = find_spectrum(sample.rows, survey, allowed)
            unigram = unigram_w_error(token_counts)
            sizes, components = np.unique(spectrum.component_sizes, return_counts=True)
            of = {**keys, "seed": seed, "weighting": weighting, "min_count": min_count}
            yield {
                "spectrum": {**of, **spectrum.columns(), "unigram_w_error": unigram},
                "summary": {**of, **summarise(survey, spectrum, token_counts, unigram)},
                "components": {**of, "component_size": sizes, "components": components},
            }


if __name__ == "__main__":
    with job(snakemake):
        vocabulary = read_record(snakemake.input.record)["vocabulary_size"]
        allowed = limits(snakemake.params, vocabulary, snakemake.resources.mem_mb, snakemake.threads)
        keys = sample_keys(dict(snakemake.wildcards))
        tables = list(main(snakemake.input.matrix, vocabulary, snakemake.params.variants, allowed, keys))
        for name in ("spectrum", "summary", "components"):
            write_tables(f"ngram_{name}", getattr(snakemake.output, name), [table[name] for table in tables])
