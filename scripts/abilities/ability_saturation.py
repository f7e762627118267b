"""Rule `ability_saturation`: the abilities that models lose before training ends (Table 1 of arXiv 2404.07647)."""

from typing import TYPE_CHECKING

from lm_saturation.abilities.lost_abilities import lost_abilities
from lm_saturation.io.tables import read_frames, write_rows
from lm_saturation.jobs import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        files = snakemake.input
        scores = read_frames("ability_scores", [files.published, *files.scores])
        samples = read_frames("ability_samples", files.samples)
        write_rows("ability_saturation", snakemake.output[0], lost_abilities(scores, samples))
