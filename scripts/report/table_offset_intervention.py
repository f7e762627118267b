"""Rule `table_offset_intervention`: what softmax does not see, produced and removed, in numbers."""

from typing import TYPE_CHECKING

from lm_saturation.io.tables import read_frames, write_csv
from lm_saturation.jobs import job
from lm_saturation.report.tables.table_offset_intervention import table_offset_intervention

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        rows = read_frames("offset_intervention", snakemake.input.interventions)
        table = table_offset_intervention(rows)
        write_csv("table_offset_intervention", snakemake.output.offset_intervention, table)
