"""Rule `ngram_matrix`: W, the next-token distribution of each distinct context, in coordinate form."""

from typing import TYPE_CHECKING

from lm_saturation.io.tables import write_tables
from lm_saturation.jobs import job
from lm_saturation.ngrams.count_tables import sample_keys
from lm_saturation.ngrams.matrix import matrix_parts

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        parts = matrix_parts(snakemake.input, sample_keys(snakemake.wildcards))
        write_tables("ngram_matrix", snakemake.output[0], parts)
