"""Rule `table_gemstones`: how far the losses of Gemstones end above their minimum."""

from typing import TYPE_CHECKING

import pandas as pd

from lm_saturation.evidence.gemstones import gemstone_increases
from lm_saturation.io.tables import write_csv
from lm_saturation.jobs import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        write_csv("gemstones", snakemake.output.gemstones, gemstone_increases(pd.read_csv(snakemake.input.losses)))
