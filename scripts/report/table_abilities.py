"""Rule `table_abilities`: which models lose which ability; ability against loss; pairs at equal loss."""

from typing import TYPE_CHECKING

from scripts.common.jobs import job
from scripts.common.tables import read_table, write_csv

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

TABLES = ["ability_saturation", "emergence_fits", "emergence_sizes", "equal_loss"]

if __name__ == "__main__":
    with job(snakemake):
        for name in TABLES:
            found = read_table(name, getattr(snakemake.input, name)).to_pandas()
            write_csv(name, getattr(snakemake.output, name), found)
