"""Rule `tied_comparison`: how fast and how far models with each remedy train, and by how much remedies differ."""

from typing import TYPE_CHECKING

import pandas as pd

from lm_saturation.io.tables import read_frames, write_rows
from lm_saturation.jobs import job
from lm_saturation.tied.comparison import comparison_rows, run_rows

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


if __name__ == "__main__":
    with job(snakemake):
        training = read_frames("tied_training", snakemake.input.training)
        runs = list(run_rows(training, read_frames("tied_rates", snakemake.input.rates)))
        write_rows("tied_runs", snakemake.output.runs, runs)
        write_rows("tied_comparison", snakemake.output.comparison, list(comparison_rows(pd.DataFrame(runs))))
