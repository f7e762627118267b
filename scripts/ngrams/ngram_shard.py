"""Rule `ngram_shard`: exact counts of all n-grams of one shard of a corpus."""

from typing import TYPE_CHECKING

from scripts.common.jobs import job
from scripts.common.tables import write_tables
from scripts.ngrams.count_tables import counted, open_stream, sample_keys

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        keys, options = sample_keys(dict(snakemake.wildcards)), snakemake.params
        shard = open_stream([snakemake.input.records], keys["order"], cross_documents=False)
        parts = counted(shard, keys, options.seeds[0], snakemake.resources.mem_mb, snakemake.threads)
        write_tables("ngram_counts", snakemake.output[0], parts)
