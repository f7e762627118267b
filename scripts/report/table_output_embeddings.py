"""Rule `table_output_embeddings`: what an offset of the logits and a degenerate head cost in published trainings."""

from typing import TYPE_CHECKING

import pandas as pd

from lm_saturation.evidence.rounding import head_collapse, rounding_pairs
from lm_saturation.io.tables import write_csv
from lm_saturation.jobs import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        trainings = pd.read_csv(snakemake.input.trainings)
        write_csv("rounding_pairs", snakemake.output.rounding_pairs, rounding_pairs(trainings))
        write_csv("head_collapse", snakemake.output.head_collapse, head_collapse(trainings))
