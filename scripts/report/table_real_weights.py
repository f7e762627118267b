"""Rule `table_real_weights`: what one checkpoint of a published model shows."""

from typing import TYPE_CHECKING

import pandas as pd

from lm_saturation.io.tables import write_csv
from lm_saturation.jobs import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        write_csv("real_weights", snakemake.output.real_weights, pd.read_csv(snakemake.input.numbers))
