"""Rule `table_tied`: tied embeddings in numbers: the start, real models, trainings of this run and shipped."""

from typing import TYPE_CHECKING

import pandas as pd

from lm_saturation.io.tables import read_csv, read_frames, write_csv
from lm_saturation.jobs import job
from lm_saturation.report.tables.tied_training import training_table
from lm_saturation.tied.comparison import comparison_rows

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        files, output = snakemake.input, snakemake.output
        for name, paths in (
            ("tied_initial_loss", files.losses),
            ("tied_moments", files.moments),
            ("tied_norms", files.norms),
            ("tied_underflow", files.underflow),
            ("tied_models", files.models),
            ("tied_comparison", [files.comparison]),
        ):
            write_csv(name, getattr(output, name), read_frames(name, paths))
        write_csv("table_tied_training", output.tied_training, training_table(read_frames("tied_runs", [files.runs])))
        write_csv("tied_rates", output.shipped_tied_rates, read_csv("tied_rates", files.shipped_rates))
        shipped = read_csv("tied_runs", files.shipped)
        comparison = pd.DataFrame(list(comparison_rows(shipped)))
        write_csv("shipped_tied_training", output.shipped_tied_training, training_table(shipped))
        write_csv("shipped_tied_comparison", output.shipped_tied_comparison, comparison)
