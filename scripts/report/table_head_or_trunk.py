"""Rule `table_head_or_trunk`: which share of a narrow model's loss its head explains."""

from typing import TYPE_CHECKING

from lm_saturation.io.tables import read_frames, write_csv
from lm_saturation.jobs import job
from lm_saturation.report.tables.head_or_trunk import table_head_or_trunk

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        trainings = read_frames("head_or_trunk", snakemake.input.trainings)
        write_csv("table_head_or_trunk", snakemake.output.head_or_trunk, table_head_or_trunk(trainings))
