"""Rule `ngram_counts`: exact n-gram counts of seeded samples of a corpus, or of all of it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from scripts.common.jobs import job, log
from scripts.common.tables import write_tables
from scripts.ngrams.count_tables import counted, open_stream, require_ngrams, sample_keys
from scripts.ngrams.token_chunks import NgramStream

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def seeded_counts(
    stream: NgramStream, keys: dict[str, Any], seeds: list[int], memory_mb: int, threads: int
) -> Iterator[dict[str, Any]]:
    """The parts of the table `ngram_counts`: a sample for each seed, or everything if the sample size says "all".

    Raises InputError if the corpus has no n-gram.
    """
    require_ngrams(stream)
    for seed in seeds:
        sample = stream
        if (size := keys["sample_size"]) != "all":
            if int(size) > stream.total:
                log.warning("asked for %s %d-grams; the corpus has %d: all are taken", size, stream.order, stream.total)
            sample = stream.sample(int(size), seed)
        yield from counted(sample, keys, seed, memory_mb, threads)


if __name__ == "__main__":
    with job(snakemake):
        keys, options = sample_keys(dict(snakemake.wildcards)), snakemake.params
        stream = open_stream(snakemake.input.records, keys["order"], cross_documents=options.cross_documents)
        parts = seeded_counts(stream, keys, options.seeds, snakemake.resources.mem_mb, snakemake.threads)
        write_tables("ngram_counts", snakemake.output[0], parts)
