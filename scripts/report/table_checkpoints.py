"""Rule `table_checkpoints`: checkpoints asked for, found and measured, one row per model."""

from typing import TYPE_CHECKING

from lm_saturation.io.tables import read_frames, write_csv
from lm_saturation.jobs import job
from lm_saturation.report.tables.checkpoints import COLUMNS, checkpoint_table

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        files = snakemake.input
        metrics = read_frames("checkpoint_metrics", files.metrics, COLUMNS)
        audits = read_frames("checkpoint_audit", files.audits)
        table = checkpoint_table(metrics, audits, dict(snakemake.params.steps))
        write_csv("table_checkpoints", snakemake.output[0], table)
