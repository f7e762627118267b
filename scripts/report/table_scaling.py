"""Rule `table_scaling`: the scaling law by every way to count parameters, and how far each model lies above it."""

from typing import TYPE_CHECKING

from lm_saturation.io.tables import read_frames, write_csv
from lm_saturation.jobs import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        files, output = snakemake.input, snakemake.output
        write_csv("scaling_fit", output.scaling_fit, read_frames("scaling_fit", [files.fits]))
        write_csv("scaling_gaps", output.scaling_gaps, read_frames("scaling_gaps", [files.gaps]))
