"""Rule `table_controls`: saturation of the positive and negative controls, and whether it was judged rightly."""

from typing import TYPE_CHECKING

from lm_saturation.io.tables import read_frames, write_csv
from lm_saturation.jobs import job
from lm_saturation.report.tables.controls import control_claims, controls_table
from lm_saturation.report.tables.saturation import COLUMNS, LAYERS

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        files = snakemake.input
        metrics = read_frames("checkpoint_metrics", files.metrics, COLUMNS)
        layers = read_frames("layer_metrics", files.layers, LAYERS)
        saturation = read_frames("saturation", files.saturation)
        table = controls_table(saturation, metrics, layers, snakemake.params.controls)
        write_csv("table_controls", snakemake.output.controls, table)
        write_csv("control_claims", snakemake.output.control_claims, control_claims(table))
