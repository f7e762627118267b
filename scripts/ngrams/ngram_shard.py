"""Rule `ngram_shard`: exact counts of all n-grams of one shard of a corpus."""

from typing import TYPE_CHECKING

from lm_saturation.io.tables import write_tables
from lm_saturation.jobs import job
from lm_saturation.ngrams.count_tables import count_samples, open_stream, sample_keys

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        keys = sample_keys(snakemake.wildcards)
        shard = open_stream(snakemake.input, keys["order"], cross_documents=False)
        (seed,) = snakemake.params.seeds
        parts = count_samples([(seed, shard)], keys, snakemake.resources.mem_mb, snakemake.threads)
        write_tables("ngram_counts", snakemake.output[0], parts)
