"""Rule `tokens`: a shard of a corpus in the ids of a tokenizer, as a token file."""

from typing import TYPE_CHECKING

from lm_saturation.io.logs import log
from lm_saturation.jobs import job
from lm_saturation.text.encoding import first_tokens, tokenise
from lm_saturation.text.shards import Shard
from lm_saturation.text.token_files import write_tokens
from lm_saturation.text.tokenizers import load_tokenizer, vocabulary_size

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        shard = Shard(int(snakemake.wildcards.shard), snakemake.params.shards)
        tokenizer, maximum = load_tokenizer(snakemake.input.tokenizer), shard.share(snakemake.params.max_tokens)
        documents = first_tokens(tokenise(snakemake.input.corpus, tokenizer), maximum)
        keys = {name: snakemake.wildcards[name] for name in ("corpus", "tokenizer")}
        keys |= {"shard": shard.number, "shards": shard.count}
        record = write_tokens(snakemake.output.record, documents, vocabulary_size(tokenizer), keys)
        if maximum is not None and record["tokens"] < maximum:
            log.warning("asked for %d tokens; the text gave %d", maximum, record["tokens"])
