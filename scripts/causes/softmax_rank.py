"""Rule `softmax_rank`: what d dimensions cost behind a softmax, by search and by construction."""

from typing import TYPE_CHECKING

import pyarrow as pa

from lm_saturation.io.tables import read_parts, write_rows
from lm_saturation.jobs import job
from lm_saturation.ngrams.count_tables import sample_keys
from lm_saturation.softmax_rank.measured import constructed_rows, searched_rows

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = ["row", "next_token", "row_count", "probability"]

if __name__ == "__main__":
    with job(snakemake):
        options, seed = snakemake.params.options, snakemake.params.seed
        keys = {**sample_keys(snakemake.wildcards), "seed": seed}
        entries = pa.concat_tables(read_parts("ngram_matrix", snakemake.input[0], COLUMNS, ("seed", seed, seed)))
        searched = searched_rows(entries, options, keys) if options else ()
        write_rows("softmax_rank", snakemake.output[0], [*searched, *constructed_rows(entries, keys)])
