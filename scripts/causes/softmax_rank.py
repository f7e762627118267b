"""Rule `softmax_rank`: what d dimensions cost behind a softmax, by search and by construction."""

from typing import TYPE_CHECKING

import pyarrow as pa

from lm_saturation.io.tables import read_parts, write_rows
from lm_saturation.jobs import job
from lm_saturation.ngrams.count_tables import sample_keys
from lm_saturation.ngrams.language_model import fit_model
from lm_saturation.ngrams.smoothed_rows import read_samples
from lm_saturation.softmax_rank.measured import constructed_rows, searched_rows, smoothed_search_rows
from lm_saturation.text.token_files import open_shards

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = ["row", "next_token", "row_count", "probability"]

if __name__ == "__main__":
    with job(snakemake):
        files, options, seed = snakemake.input, snakemake.params.options, snakemake.params.seed
        keys = {**sample_keys(snakemake.wildcards), "seed": seed}
        entries = pa.concat_tables(read_parts("ngram_matrix", files.matrix, COLUMNS, ("seed", seed, seed)))
        rows = list(searched_rows(entries, options, keys) if options else ())
        if smoothed := snakemake.params.smoothed:
            model, _ = fit_model(open_shards(files.tokens), snakemake.params.held_out, snakemake.resources.mem_mb)
            counts = pa.concat_tables(sample for _, sample in read_samples(list(files.counts), [seed]))
            rows += smoothed_search_rows(model, counts, entries, smoothed, keys)
        write_rows("softmax_rank", snakemake.output[0], [*rows, *constructed_rows(entries, keys)])
