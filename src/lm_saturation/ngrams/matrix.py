"""W, the next-token distribution of each distinct context: its table `ngram_matrix`, written and read part by part."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_array

from lm_saturation.config.ngrams import MatrixVariant
from lm_saturation.io.tables import part_ranges, read_parts
from lm_saturation.ngrams.count_tables import CONTEXT_COLUMNS, context_starts, contexts_of

# Some rows of W (rows, V), and how often each of their entries was counted.
Part = tuple[csr_array, NDArray[np.int64]]


def matrix_parts(count_tables: Iterable[str], keys: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The parts of the table, from the partitions of the table `ngram_counts`; no row is cut in two."""
    seed, rows = None, 0
    for table in count_tables:
        for part in read_parts("ngram_counts", table, ["seed", *CONTEXT_COLUMNS, "next_token", "count"]):
            if (part_seed := part["seed"][0].as_py()) != seed:
                seed, rows = part_seed, 0
            columns = matrix_columns(part, rows)
            rows = int(columns["row"][-1]) + 1
            yield {**keys, "seed": seed, **columns}


def matrix_columns(counts: pa.Table, first_row: int = 0) -> dict[str, Any]:
    """The columns of the table that hold entries of W, from counts sorted by context; rows count from `first_row`."""
    starts = context_starts(contexts_of(counts))
    row = np.cumsum(starts) - 1
    count = counts["count"].to_numpy()
    row_count = np.add.reduceat(count, np.flatnonzero(starts))[row]
    return {
        "row": first_row + row,
        "next_token": counts["next_token"].to_numpy(),
        "row_count": row_count,
        "probability": count / row_count,
    }


def matrix_seeds(table: str | Path) -> list[int]:
    """The seeds of the samples in the table."""
    return sorted({seed for seed, _, _ in part_ranges("ngram_matrix", table, "seed")})


@dataclass(frozen=True)
class StoredMatrix:
    """W of the sample of one seed, as its table holds it, in one of its variants."""

    table: str | Path
    seed: int
    variant: MatrixVariant
    vocabulary_size: int

    def parts(self) -> Iterator[Part]:
        """One pass over W, some rows at a time, with the counts of their entries."""
        columns = ["row", "next_token", "row_count", "probability"]
        for entries in read_parts("ngram_matrix", self.table, columns, ("seed", self.seed, self.seed)):
            yield weigh_rows(entries, self.variant, self.vocabulary_size)

    def rows(self) -> Iterator[csr_array]:
        """One pass over W, some rows at a time."""
        return (matrix for matrix, _ in self.parts())


def weigh_rows(entries: pa.Table, variant: MatrixVariant, vocabulary_size: int) -> Part:
    """The rows of W in a variant: those of contexts that are frequent enough, weighted.

    The weighting `count` scales a row by the square root of its count, so that G = WᵀW is a mean over n-grams, not over
    contexts.
    """
    row_count = entries["row_count"].to_numpy()
    kept = row_count >= variant.min_count
    probability, row_count = entries["probability"].to_numpy()[kept], row_count[kept]
    row = entries["row"].to_numpy()[kept]
    begins = np.flatnonzero(np.diff(row, prepend=-1))
    value = probability * np.sqrt(row_count) if variant.weighting == "count" else probability
    token = entries["next_token"].to_numpy()[kept].astype(np.int32)
    matrix = csr_array((value, token, np.append(begins, len(row))), shape=(len(begins), vocabulary_size))
    return matrix, np.rint(probability * row_count).astype(np.int64)
