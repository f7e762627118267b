"""Rule `ngram_matrix`: W, the next-token distribution of each distinct context, in coordinate form."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from scripts.common.jobs import job
from scripts.common.tables import read_parts, write_tables
from scripts.ngrams.count_tables import CONTEXT_COLUMNS, sample_keys

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def matrix_columns(counts: pa.Table, first_row: int = 0) -> dict[str, Any]:
    """Rows of W from counts sorted by context: row, next_token, row_count and probability of each entry.

    The rows are numbered from `first_row` on.
    """
    contexts = [counts[name].to_numpy() for name in CONTEXT_COLUMNS if not counts[name].null_count]
    new = np.ones(len(counts), np.bool_)
    new[1:] = np.any([column[1:] != column[:-1] for column in contexts], axis=0)
    row = np.cumsum(new) - 1
    count = counts["count"].to_numpy()
    row_count = np.add.reduceat(count, np.flatnonzero(new))[row]
    return {
        "row": first_row + row,
        "next_token": counts["next_token"].to_numpy(),
        "row_count": row_count,
        "probability": count / row_count,
    }


def matrix_parts(tables: Iterable[str], keys: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The parts of the table `ngram_matrix`, from those of the partitions of the counts; a part holds whole rows."""
    seed, rows = None, 0
    for table in tables:
        for part in read_parts("ngram_counts", table, ["seed", *CONTEXT_COLUMNS, "next_token", "count"]):
            if (own := part["seed"][0].as_py()) != seed:
                seed, rows = own, 0
            columns = matrix_columns(part, rows)
            rows = int(columns["row"][-1]) + 1
            yield {**keys, "seed": seed, **columns}


if __name__ == "__main__":
    with job(snakemake):
        write_tables(
            "ngram_matrix", snakemake.output[0], matrix_parts(snakemake.input, sample_keys(dict(snakemake.wildcards)))
        )
