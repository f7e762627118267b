"""Rule `table_1`: Pythia-160M, best against final checkpoint, zero-shot (arXiv 2404.07647, Table 1)."""

from typing import TYPE_CHECKING

import pandas as pd

from lm_saturation.io.tables import read_frames, write_csv
from lm_saturation.jobs import job
from lm_saturation.report.tables.table_1 import table_1

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        files = snakemake.input
        scores = read_frames("ability_scores", [files.published, *files.scores])
        points = read_frames("emergence_points", [files.points])
        table = table_1(pd.read_csv(files.printed), scores, points, snakemake.params.names)
        write_csv("table_1", snakemake.output[0], table)
