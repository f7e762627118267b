"""The tables `ngram_spectrum`, `ngram_summary` and `ngram_components` of every W, and the baselines in them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm_saturation.config.ngrams import MatrixVariant, SpectrumOptions
from lm_saturation.devices import find_device
from lm_saturation.io.logs import log
from lm_saturation.ngrams.gram import Survey
from lm_saturation.ngrams.matrix import StoredMatrix, matrix_seeds
from lm_saturation.ngrams.memory import PROCESS_MB
from lm_saturation.ngrams.spectrum import (
    METHODS,
    Limits,
    Spectrum,
    find_spectrum,
    smallest_dimension,
    unigram_w_error,
)
from lm_saturation.ngrams.w_error_thresholds import HALF, LENIENT, NEGLIGIBLE, STRICT

MINIMUM_BUFFER = 1e8  # bytes beside the blocks: with less, the rows would be read too many times


def spectrum_limits(options: SpectrumOptions, vocabulary_size: int, memory_mb: int, threads: int) -> Limits:
    """How far a job may go; `memory_mb` includes the blocks that are solved on the CPU.

    Raises InputError if a GPU is asked for and there is none.
    """
    find_device(options.device, "ngrams.device")
    solved = 8 * min(options.exact_limit, vocabulary_size) ** 2 if options.device == "cpu" else 0
    memory_bytes = max((memory_mb - PROCESS_MB) * 1e6 - solved, MINIMUM_BUFFER)
    return Limits(options.exact_limit, options.tolerance, memory_bytes, threads, options.device)


def spectrum_tables(
    matrix_table: str | Path,
    vocabulary_size: int,
    variants: Sequence[MatrixVariant],
    limits: Limits,
    keys: Mapping[str, Any],
) -> Iterator[dict[str, dict[str, Any]]]:
    """The columns of the three tables, by name of the table, of each sample in `matrix_table` in each variant.

    A variant without a row is left out, with a warning in the log.
    """
    for seed in matrix_seeds(matrix_table):
        for variant in variants:
            matrix = StoredMatrix(matrix_table, seed, variant, vocabulary_size)
            survey, token_counts = survey_matrix(matrix)
            if not survey.contexts:
                log.warning("seed %d: no context is seen %d times: that control is empty", seed, variant.min_count)
                continue
            log.info("seed %d, %s, seen %d times: %d contexts", seed, *variant, survey.contexts)
            spectrum = find_spectrum(matrix.rows, survey, limits)
            columns = result_columns(survey, spectrum, token_counts)
            variant_keys = {**keys, "seed": seed, **variant._asdict()}
            yield {table: {**variant_keys, **values} for table, values in columns.items()}


def survey_matrix(matrix: StoredMatrix) -> tuple[Survey, NDArray[np.int64]]:
    """What one pass over W tells, and (types,) how often each token type that occurs was counted."""
    survey, token_counts = Survey(matrix.vocabulary_size), np.zeros(matrix.vocabulary_size)
    for rows, counts in matrix.parts():
        survey.add(rows)
        token_counts += np.bincount(rows.indices, counts, matrix.vocabulary_size)
    return survey, token_counts[survey.occurs].astype(np.int64)


def result_columns(survey: Survey, spectrum: Spectrum, token_counts: NDArray[np.int64]) -> dict[str, dict[str, Any]]:
    """The columns of the three tables for one W, by name of the table; `token_counts` (types,)."""
    unigram = unigram_w_error(token_counts)
    sizes, components = np.unique(spectrum.component_sizes, return_counts=True)
    return {
        "ngram_spectrum": {**spectrum.columns(), "unigram_w_error": unigram},
        "ngram_summary": summary_columns(survey, spectrum, token_counts, unigram),
        "ngram_components": {"component_size": sizes, "components": components},
    }


def summary_columns(
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
        "halving_dimension": smallest_dimension(errors, HALF),
        "lenient_dimension": smallest_dimension(errors, LENIENT),
        "negligible_dimension": smallest_dimension(errors, NEGLIGIBLE),
        "strict_dimension": smallest_dimension(errors, STRICT),
        "column_norm_halving_dimension": smallest_dimension(norms, HALF),
        "column_norm_negligible_dimension": smallest_dimension(norms, NEGLIGIBLE),
        "column_norm_gap": float(np.abs(norms - errors).max()),
        "unigram_halving_dimension": smallest_dimension(unigram, HALF),
        "unigram_negligible_dimension": smallest_dimension(unigram, NEGLIGIBLE),
    }
