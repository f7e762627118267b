"""Rule `ability_published`: the published evaluations of Pythia's checkpoints, as a table like that of our own."""

from typing import TYPE_CHECKING

import pandas as pd

from lm_saturation.abilities.pythia_evaluations import published_scores
from lm_saturation.io.tables import write_frame
from lm_saturation.jobs import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        files = snakemake.input
        scores = published_scores(pd.read_csv(files.evaluations), pd.read_csv(files.models))
        write_frame("ability_scores", snakemake.output[0], scores)
