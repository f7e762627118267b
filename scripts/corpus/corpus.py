"""Rule `corpus`: the documents of one shard of a corpus, from any source, as a Parquet table and a record."""

from typing import TYPE_CHECKING

from lm_saturation.io.atomic import write_json
from lm_saturation.io.logs import log
from lm_saturation.jobs import job
from lm_saturation.text.corpus import BYTES_PER_TOKEN, write_corpus
from lm_saturation.text.shards import Shard
from lm_saturation.text.sources import CorpusSource

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        name = snakemake.wildcards.corpus
        source: CorpusSource = snakemake.params.source
        shard = Shard(int(snakemake.wildcards.shard), snakemake.params.shards)
        documents, origin = source.read(list(snakemake.input), shard)
        tokens = shard.share(source.max_tokens)
        maximum_bytes = float("inf") if tokens is None else BYTES_PER_TOKEN * tokens
        counts = write_corpus(name, documents, snakemake.output.table, maximum_bytes, may_be_empty=shard.count > 1)
        if not counts["documents"]:
            log.warning("corpora.%s: there is no text in shard %d of %d", name, shard.number, shard.count)
        keys = {"corpus": name, "shard": shard.number, "shards": shard.count, "definition": source.plain()}
        write_json(snakemake.output.record, {**keys, **origin, **counts})
