"""Rule `table_language_models`: what a Kneser–Ney 5-gram model knows of each corpus, the reference of later losses."""

from typing import TYPE_CHECKING

import pyarrow as pa

from scripts.common.jobs import job
from scripts.common.tables import read_table, write_csv

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        rows = [read_table("language_model", path) for path in snakemake.input]
        frame = pa.concat_tables(rows, unify_dictionaries=True).to_pandas()
        write_csv("language_model", snakemake.output[0], frame)
