"""Rule `ngram_spectrum`: the singular values of W and W-error at every d, with the controls beside them."""

from typing import TYPE_CHECKING

from lm_saturation.io.tables import write_tables
from lm_saturation.jobs import job
from lm_saturation.ngrams.count_tables import sample_keys
from lm_saturation.ngrams.spectrum_tables import spectrum_limits, spectrum_tables
from lm_saturation.text.token_files import read_record

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        params, keys = snakemake.params, sample_keys(snakemake.wildcards)
        vocabulary_size = read_record(snakemake.input.record)["vocabulary_size"]
        limits = spectrum_limits(params.options, vocabulary_size, snakemake.resources.mem_mb, snakemake.threads)
        results = list(spectrum_tables(snakemake.input.matrix, vocabulary_size, params.variants, limits, keys))
        for output in ("spectrum", "summary", "components"):
            table = f"ngram_{output}"
            write_tables(table, getattr(snakemake.output, output), [columns[table] for columns in results])
