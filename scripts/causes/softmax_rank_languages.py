"""Rule `softmax_rank_languages`: what d dimensions cost behind a softmax where the rank of the logits is known."""

from typing import TYPE_CHECKING

from lm_saturation.io.tables import write_rows
from lm_saturation.jobs import job
from lm_saturation.softmax_rank.measured import language_rows

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        rows = list(language_rows(snakemake.params.languages, snakemake.params.search))
        write_rows("softmax_rank_languages", snakemake.output[0], rows)
