"""Rule `table_seeds`: how trainings of Pythia end, by size and seed."""

from typing import TYPE_CHECKING

import pandas as pd

from lm_saturation.evidence.pythia_seeds import seed_runs
from lm_saturation.io.tables import write_csv
from lm_saturation.jobs import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        write_csv("seed_runs", snakemake.output.seed_runs, seed_runs(pd.read_csv(snakemake.input.checkpoints)))
