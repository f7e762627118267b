"""Rule `table_abilities`: which models lose which ability; ability against loss; pairs at equal loss."""

from typing import TYPE_CHECKING

from lm_saturation.io.tables import read_frames, write_csv
from lm_saturation.jobs import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        for name, path in snakemake.input.items():
            write_csv(name, getattr(snakemake.output, name), read_frames(name, [path]))
