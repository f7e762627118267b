"""Rule `table_heads`: LM heads of the best learning rates in numbers, bounds of each rank, and thresholds."""

from typing import TYPE_CHECKING

from lm_saturation.io.tables import read_frames, write_csv
from lm_saturation.jobs import job
from lm_saturation.report.tables.heads import head_table

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        files, output = snakemake.input, snakemake.output
        bounds = read_frames("bottleneck_bound", files.bounds)
        write_csv("table_heads", output.heads, head_table(read_frames("head_rank_sweep", files.sweep), bounds))
        write_csv("bottleneck_bound", output.bottleneck_bound, bounds)
        write_csv("head_thresholds", output.head_thresholds, read_frames("head_thresholds", [files.thresholds]))
        write_csv("head_costs", output.head_costs, read_frames("head_costs", [files.costs]))
        orders = read_frames("loss_expansion_orders", [files.orders])
        write_csv("loss_expansion_orders", output.loss_expansion_orders, orders)
