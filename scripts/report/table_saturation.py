"""Rule `table_saturation`: saturation in numbers, one row per model, and whether onsets come in the same order."""

from typing import TYPE_CHECKING

from lm_saturation.io.tables import read_frames, write_csv
from lm_saturation.jobs import job
from lm_saturation.report.tables.saturation import COLUMNS, LAYERS, saturation_table

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        files, output = snakemake.input, snakemake.output
        metrics = read_frames("checkpoint_metrics", files.metrics, COLUMNS)
        layers = read_frames("layer_metrics", files.layers, LAYERS)
        table = saturation_table(read_frames("saturation", files.saturation), metrics, layers)
        write_csv("table_saturation", output.saturation, table)
        write_csv("onset_correlation", output.onset_correlation, read_frames("onset_correlation", files.correlation))
