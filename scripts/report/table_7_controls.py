"""Rule `table_7_controls`: the controls of figure 7 in numbers."""

from typing import TYPE_CHECKING

from lm_saturation.io.tables import read_frames, write_csv
from lm_saturation.jobs import job
from lm_saturation.report.tables.table_7_controls import table_7_controls

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        files = snakemake.input
        summary = read_frames("ngram_summary", files.summaries)
        table = table_7_controls(summary, read_frames("ngram_spectrum", files.smoothed))
        write_csv("table_7_controls", snakemake.output[0], table)
