"""Rule `table_scaling`: the scaling law by every way to count parameters, and how far each model lies above it."""

from typing import TYPE_CHECKING

from scripts.common.jobs import job
from scripts.common.tables import read_table, write_csv

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        files, output = snakemake.input, snakemake.output
        write_csv("scaling_fit", output.fits, read_table("scaling_fit", files.fits).to_pandas())
        write_csv("scaling_gaps", output.gaps, read_table("scaling_gaps", files.gaps).to_pandas())
