"""Rule `table_heads`: the chosen heads in numbers, what the theory says of each rank, and where thresholds lie."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scripts.common.jobs import job
from scripts.common.tables import read_table, table_columns, write_csv
from scripts.report.suites import KEYS, read_suites

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def head_rows(sweep: pd.DataFrame, bounds: pd.DataFrame) -> pd.DataFrame:
    """The chosen head of every model, start and rank, with its gap to the pretrained head."""
    chosen = sweep[sweep.chosen == 1]
    method = np.where(chosen.factored == 1, chosen.start, chosen.start + "_unfactored")
    gaps = bounds[[*KEYS, "method", "rank", "gap_nats", "gap_low", "gap_high", "w_error"]]
    rows = chosen.assign(method=method).merge(gaps, on=[*KEYS, "method", "rank"])
    order = {model: number for number, model in enumerate(dict.fromkeys(map(tuple, sweep[KEYS].to_numpy())))}
    places = [order[model] for model in map(tuple, rows[KEYS].to_numpy())]
    rows = rows.assign(place=places).sort_values(
        ["place", "start", "factored", "rank"], ascending=[True, True, False, True]
    )
    return rows[list(table_columns("table_heads"))]


if __name__ == "__main__":
    with job(snakemake):
        files, output = snakemake.input, snakemake.output
        bounds = read_suites("bottleneck_bound", files.bounds)
        write_csv("table_heads", output.heads, head_rows(read_suites("head_rank_sweep", files.sweep), bounds))
        write_csv("bottleneck_bound", output.bounds, bounds)
        thresholds = read_table("head_thresholds", files.thresholds).to_pandas()
        write_csv("head_thresholds", output.thresholds, thresholds)
        orders = read_table("loss_expansion_orders", files.orders).to_pandas()
        write_csv("loss_expansion_orders", output.orders, orders)
