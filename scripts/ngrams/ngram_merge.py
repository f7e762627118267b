"""Rule `ngram_merge`: the counts of all shards of a corpus together, of the n-grams of one partition."""

from typing import TYPE_CHECKING

from lm_saturation.io.tables import write_tables
from lm_saturation.jobs import job
from lm_saturation.ngrams.count_tables import count_columns, sample_keys
from lm_saturation.ngrams.partitions import merged_counts, require_merge_memory

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        keys, tables = sample_keys(snakemake.wildcards), list(snakemake.input)
        require_merge_memory(len(tables), snakemake.resources.mem_mb)
        counts = merged_counts(tables, keys["order"], int(snakemake.wildcards.partition))
        (seed,) = snakemake.params.seeds
        write_tables("ngram_counts", snakemake.output[0], count_columns(counts, keys, seed))
