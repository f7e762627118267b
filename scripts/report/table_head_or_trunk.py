"""Rule `table_head_or_trunk`: which share of a narrow model's loss its head explains, here and in longer runs."""

from typing import TYPE_CHECKING

from lm_saturation.io.tables import write_csv
from lm_saturation.jobs import job
from lm_saturation.report.tables.head_or_trunk import all_trainings, table_head_or_trunk

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        trainings = all_trainings(snakemake.input.trainings, snakemake.input.shipped)
        write_csv("table_head_or_trunk", snakemake.output.head_or_trunk, table_head_or_trunk(trainings))
