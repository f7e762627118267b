"""Rule `ngram_counts`: exact n-gram counts of seeded samples of a corpus, or of all of it."""

from typing import TYPE_CHECKING

from lm_saturation.io.tables import write_tables
from lm_saturation.jobs import job
from lm_saturation.ngrams.count_tables import count_samples, draw_samples, open_stream, sample_keys

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        keys, params = sample_keys(snakemake.wildcards), snakemake.params
        stream = open_stream(snakemake.input, keys["order"], cross_documents=params.cross_documents)
        samples = draw_samples(stream, keys["sample_size"], params.seeds)
        parts = count_samples(samples, keys, snakemake.resources.mem_mb, snakemake.threads)
        write_tables("ngram_counts", snakemake.output[0], parts)
