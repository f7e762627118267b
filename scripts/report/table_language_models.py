"""Rule `table_language_models`: the loss of a Kneser–Ney 5-gram model on each corpus, the reference of later losses."""

from typing import TYPE_CHECKING

from lm_saturation.io.tables import read_frames, write_csv
from lm_saturation.jobs import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        write_csv("language_model", snakemake.output[0], read_frames("language_model", snakemake.input))
