"""Rule `scaling_fit`: the scaling law through final losses, and how far small models lie above it (Fig 1b)."""

from typing import TYPE_CHECKING

import pandas as pd

from lm_saturation.io.tables import read_frames, write_rows
from lm_saturation.jobs import job, process_pool
from lm_saturation.scaling.data import points_by_suite, published_points
from lm_saturation.scaling.gaps import scaling_rows

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        files, output, options = snakemake.input, snakemake.output, snakemake.params.options
        data = [published_points(pd.read_csv(files.published))]
        data += points_by_suite(read_frames("checkpoint_metrics", files.metrics), options.fit_from)
        with process_pool(snakemake.threads) as pool:
            pairs = [pair for rows in data if len(rows) for pair in scaling_rows(rows, options.bootstraps, pool)]
        write_rows("scaling_fit", output.fits, [fit for fit, _ in pairs])
        write_rows("scaling_gaps", output.gaps, [row for _, gaps in pairs for row in gaps])
