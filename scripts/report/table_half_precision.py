"""Rule `table_half_precision`: trainings in half precision, of this run and shipped, and what differs between them."""

from typing import TYPE_CHECKING

import pandas as pd

from lm_saturation.invisible.training_differences import RUN, SHIPPED, training_differences
from lm_saturation.io.tables import read_csv, read_frames, write_csv
from lm_saturation.jobs import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        own = read_frames("offset_training", snakemake.input.trainings).assign(source=RUN)
        shipped = read_csv("offset_training", snakemake.input.shipped).assign(source=SHIPPED)
        trainings = pd.concat([part for part in (own, shipped) if len(part)], ignore_index=True)
        write_csv("table_offset_training", snakemake.output.offset_training, trainings)
        write_csv("half_precision", snakemake.output.half_precision, training_differences(trainings))
