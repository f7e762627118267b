"""Rule `table_7`: figure 7 in numbers."""

from typing import TYPE_CHECKING

import pandas as pd

from lm_saturation.io.tables import read_frames, write_csv
from lm_saturation.jobs import job
from lm_saturation.report.tables.table_7 import table_7

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        files = snakemake.input
        table = table_7(read_frames("ngram_summary", files.summaries), pd.read_csv(files.published))
        write_csv("table_7", snakemake.output[0], table)
