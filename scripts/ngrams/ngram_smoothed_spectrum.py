"""Rule `ngram_smoothed_spectrum`: W-error of the same contexts' rows as the Kneser–Ney model gives them, a control.

The model is that of rule `ngram_language_model`, estimated again: that takes less time than reading it.
"""

from typing import TYPE_CHECKING

from lm_saturation.io.tables import write_tables
from lm_saturation.jobs import job
from lm_saturation.ngrams.count_tables import sample_keys
from lm_saturation.ngrams.language_model import fit_model
from lm_saturation.ngrams.smoothed_rows import require_gram_memory, smoothed_parts
from lm_saturation.text.token_files import open_shards

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        params, keys, memory_mb = snakemake.params, sample_keys(snakemake.wildcards), snakemake.resources.mem_mb
        model, _ = fit_model(open_shards(snakemake.input.tokens), params.held_out, memory_mb)
        require_gram_memory(model, memory_mb)
        parts = smoothed_parts(model, list(snakemake.input.counts), params.seeds, keys)
        write_tables("ngram_spectrum", snakemake.output[0], parts)
