"""Rule `head_thresholds`: what a lower rank costs, and is there one, or a W-error, from which the loss grows?"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from lm_saturation.heads.rank_costs import model_cost_rows, published_cost_rows
from lm_saturation.heads.rank_threshold import model_threshold_rows, published_threshold_rows
from lm_saturation.io.tables import read_frames, write_rows
from lm_saturation.jobs import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(files: Any, output: Any) -> None:
    """Compare the ranks of every model, whose tables lie in its own folder, and of the paper's; write both tables."""
    thresholds: list[dict[str, Any]] = []
    costs: list[dict[str, Any]] = []
    for path in files.bounds:
        of_model = [losses for losses in files.losses if Path(path).parent in Path(losses).parents]
        bounds, losses = read_frames("bottleneck_bound", [path]), read_frames("head_losses", of_model)
        thresholds += model_threshold_rows(bounds, losses)
        costs += model_cost_rows(bounds, losses)
    published = pd.read_csv(files.published)
    write_rows("head_thresholds", output.thresholds, [*thresholds, *published_threshold_rows(published)])
    write_rows("head_costs", output.costs, [*costs, *published_cost_rows(published)])


if __name__ == "__main__":
    with job(snakemake):
        main(snakemake.input, snakemake.output)
