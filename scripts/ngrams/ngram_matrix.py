"""Rule `ngram_matrix`: W, the next-token distribution of each distinct context, in coordinate form."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from scripts.common.jobs import job
from scripts.common.tables import read_parts, write_tables

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

CONTEXT_COLUMNS = [f"context_{i}" for i in range(1, 5)]


def matrix_columns(counts: pa.Table) -> dict[str, Any]:
    """W from the counts of one sample, sorted by context: row, next_token, row_count and probability of each entry."""
    contexts = [counts[name].to_numpy() for name in CONTEXT_COLUMNS if not counts[name].null_count]
    new = np.ones(len(counts), np.bool_)
    new[1:] = np.any([column[1:] != column[:-1] for column in contexts], axis=0)
    row = np.cumsum(new) - 1
    count = counts["count"].to_numpy()
    row_count = np.add.reduceat(count, np.flatnonzero(new))[row]
    return {
        "row": row,
        "next_token": counts["next_token"].to_numpy(),
        "row_count": row_count,
        "probability": count / row_count,
    }


if __name__ == "__main__":
    with job(snakemake):
        columns = ["seed", *CONTEXT_COLUMNS, "next_token", "count"]
        parts = (
            {**dict(snakemake.wildcards), "seed": part["seed"][0].as_py(), **matrix_columns(part)}
            for part in read_parts("ngram_counts", snakemake.input[0], columns)
        )
        write_tables("ngram_matrix", snakemake.output[0], parts)
