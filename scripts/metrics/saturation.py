"""Rule `saturation`: when and by how much the models of a suite saturate, and whether onsets come in the same order."""

from typing import TYPE_CHECKING

import pandas as pd

from lm_saturation.io.tables import read_frames, table_columns, write_rows
from lm_saturation.jobs import job
from lm_saturation.saturation.model_saturation import saturation_rows
from lm_saturation.saturation.onset_correlation import correlation_rows

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        files, output = snakemake.input, snakemake.output
        metrics = read_frames("checkpoint_metrics", files.metrics)
        rows = saturation_rows(metrics, read_frames("sequence_losses", files.losses))
        write_rows("saturation", output.saturation, rows)
        pairs = correlation_rows(pd.DataFrame(rows, columns=list(table_columns("saturation"))))
        write_rows("onset_correlation", output.correlation, list(pairs))
