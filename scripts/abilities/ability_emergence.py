"""Rule `ability_emergence`: performance against loss, of published and measured models (arXiv 2403.15796)."""

from typing import TYPE_CHECKING

import pandas as pd

from lm_saturation.abilities.emergence import emergence_fits, emergence_sizes, tokens_seen
from lm_saturation.abilities.equal_loss import equal_loss_pairs
from lm_saturation.abilities.loss_points import METRIC_COLUMNS, measured_points, published_points
from lm_saturation.io.tables import read_frames, write_frame, write_rows
from lm_saturation.jobs import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        files, output, samples = snakemake.input, snakemake.output, snakemake.params.bootstraps
        points = published_points(read_frames("ability_scores", [files.published]), pd.read_csv(files.figure))
        metrics = read_frames("checkpoint_metrics", files.metrics, METRIC_COLUMNS)
        if files.scores:
            measured = measured_points(read_frames("ability_scores", files.scores), metrics)
            points = pd.concat([points, measured], ignore_index=True)
        fits = emergence_fits(points, samples)
        sizes = emergence_sizes(fits, read_frames("scaling_fit", [files.fits]), tokens_seen(metrics))
        write_frame("emergence_points", output.emergence_points, points)
        write_rows("emergence_fits", output.emergence_fits, fits)
        write_rows("emergence_sizes", output.emergence_sizes, sizes)
        write_rows("equal_loss", output.equal_loss, equal_loss_pairs(points, samples))
