"""Rule `ngram_spectrum`: the exact singular values of W and W-error at every d, with the controls beside them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_array

from scripts.common.jobs import job, log
from scripts.common.tables import read_parts, write_tables
from scripts.common.token_files import read_record
from scripts.ngrams.spectrum import exact_spectrum, least_dimension, unigram_w_error, w_error
from scripts.ngrams.thresholds import HALF, NEGLIGIBLE

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def variants(min_counts: list[int]) -> Iterator[tuple[str, int]]:
    """The weightings and least context counts to compute: the paper's matrix first, then the controls."""
    yield "unit", 1
    yield "count", 1
    yield from (("unit", least) for least in min_counts)


def weigh(entries: pa.Table, weighting: str, min_count: int, vocabulary_size: int) -> tuple[csr_array, NDArray[Any]]:
    """W of one sample under a control, and how often each of its entries was counted.

    `count` scales a row by the square root of its count, so that G = WᵀW is a mean over n-grams, not over contexts.
    """
    row_count = entries["row_count"].to_numpy()
    kept = row_count >= min_count
    probability, row_count = entries["probability"].to_numpy()[kept], row_count[kept]
    row = np.unique(entries["row"].to_numpy()[kept], return_inverse=True)[1]
    token = entries["next_token"].to_numpy()[kept].astype(np.int64)
    value = probability * np.sqrt(row_count) if weighting == "count" else probability
    rows = int(row[-1]) + 1 if len(row) else 0
    indptr = np.searchsorted(row, np.arange(rows + 1))
    matrix = csr_array((value, token, indptr), shape=(rows, vocabulary_size))
    return matrix, np.rint(probability * row_count).astype(np.int64)


def analyse(matrix: csr_array, counts: NDArray[np.int64]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The columns of the tables `ngram_spectrum`, `ngram_summary` and `ngram_components` for one W."""
    spectrum = exact_spectrum(matrix)
    errors = w_error(spectrum.singular_values)
    token_counts = np.bincount(matrix.indices, counts).astype(np.int64)
    unigram = unigram_w_error(token_counts[token_counts > 0])
    sizes, numbers = np.unique(spectrum.component_sizes, return_counts=True)
    summary = {
        "vocabulary_size": matrix.shape[1],
        "ngrams": int(counts.sum()),
        "contexts": matrix.shape[0],
        "one_hot_contexts": int((np.diff(matrix.indptr) == 1).sum()),
        "types": len(errors),
        "rank": spectrum.rank,
        "frobenius_norm": float(np.sqrt((matrix.data**2).sum())),
        "components": int(numbers.sum()),
        "largest_component": int(sizes[-1]),
        "halving_dimension": least_dimension(errors, HALF),
        "negligible_dimension": least_dimension(errors, NEGLIGIBLE),
        "unigram_halving_dimension": least_dimension(unigram, HALF),
        "unigram_negligible_dimension": least_dimension(unigram, NEGLIGIBLE),
    }
    table = {
        "dimension": np.arange(1, len(errors) + 1),
        "singular_value": spectrum.singular_values,
        "w_error": errors,
        "unigram_w_error": unigram,
    }
    return table, summary, {"component_size": sizes, "components": numbers}


def main(matrix_path: str, record_path: str, min_counts: list[int], keys: dict[str, str], output: Any) -> None:
    """Analyse every sample in the matrix table under every control, and write the three tables."""
    vocabulary_size = read_record(record_path)["vocabulary_size"]
    spectra: list[dict[str, Any]] = []
    summaries: list[dict[str, Any]] = []
    components: list[dict[str, Any]] = []
    for entries in read_parts("ngram_matrix", matrix_path, ["seed", "row", "next_token", "row_count", "probability"]):
        seed = entries["seed"][0].as_py()
        for weighting, min_count in variants(min_counts):
            matrix, counts = weigh(entries, weighting, min_count, vocabulary_size)
            if not matrix.shape[0]:
                log.warning("seed %d: no context is seen %d times, so no spectrum for that control", seed, min_count)
                continue
            of = {**keys, "seed": seed, "weighting": weighting, "min_count": min_count}
            log.info("seed %d, %s weight, contexts seen %d times: %s", seed, weighting, min_count, matrix.shape)
            for rows, columns in zip((spectra, summaries, components), analyse(matrix, counts), strict=True):
                rows.append({**of, **columns})
    write_tables("ngram_spectrum", output.spectrum, spectra)
    write_tables("ngram_summary", output.summary, summaries)
    write_tables("ngram_components", output.components, components)


if __name__ == "__main__":
    with job(snakemake):
        main(
            snakemake.input.matrix,
            snakemake.input.record,
            list(snakemake.params.min_counts),
            dict(snakemake.wildcards),
            snakemake.output,
        )
