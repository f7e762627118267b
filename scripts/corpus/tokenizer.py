"""Rule `tokenizer`: a tokenizer.json and its record: trained on corpora of this run, fetched, or the user's own."""

from typing import TYPE_CHECKING

from lm_saturation.io.atomic import atomic_write, write_json
from lm_saturation.jobs import job
from lm_saturation.text.sources.tokenizers import TokenizerSource
from lm_saturation.text.tokenizers import vocabulary_size

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        source: TokenizerSource = snakemake.params.source
        tokenizer, origin = source.make(list(snakemake.input.corpora))
        with atomic_write(snakemake.output.tokenizer) as partial:
            tokenizer.save(str(partial))
        keys = {"tokenizer": snakemake.wildcards.tokenizer, "definition": source.plain()}
        write_json(snakemake.output.record, {**keys, **origin, "vocabulary_size": vocabulary_size(tokenizer)})
