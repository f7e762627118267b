"""Rule `table_saturation_search`: the search for saturation by recipe, the one that is shipped and that of this run."""

from typing import TYPE_CHECKING

from lm_saturation.io.tables import read_csv, read_frames, write_csv
from lm_saturation.jobs import job
from lm_saturation.miniature.recipes import recipe_rows

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        files, output = snakemake.input, snakemake.output
        shipped = [
            read_csv("saturation_search", files.shipped_runs),
            read_csv("saturation_search_curves", files.shipped_curves),
        ]
        write_csv("shipped_search", output.shipped_search, recipe_rows(*shipped))
        here = [
            read_frames("saturation_search", files.runs),
            read_frames("saturation_search_curves", files.curves),
        ]
        write_csv("table_saturation_search", output.saturation_search, recipe_rows(*here))
