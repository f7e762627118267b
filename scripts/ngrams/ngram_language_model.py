"""Rule `ngram_language_model`: a modified Kneser–Ney 5-gram model, and its loss on documents that it has not seen."""

from typing import TYPE_CHECKING

from lm_saturation.io.tables import write_tables
from lm_saturation.jobs import job
from lm_saturation.ngrams.arpa import write_arpa
from lm_saturation.ngrams.language_model import fit_model, held_out_bytes, language_model_columns
from lm_saturation.text.token_files import open_shards

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        shards = open_shards(snakemake.input.tokens)
        model, split = fit_model(shards, snakemake.params.held_out, snakemake.resources.mem_mb)
        text_bytes = held_out_bytes(split, list(snakemake.input.texts))
        write_arpa(model, snakemake.output.model)
        columns = language_model_columns(model, split, text_bytes)
        write_tables("language_model", snakemake.output.table, [{**dict(snakemake.wildcards), **columns}])
