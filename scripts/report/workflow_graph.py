"""Rule `workflow_graph`: the rules of this run and what they hand on, as an SVG."""

from typing import TYPE_CHECKING

from lm_saturation.io.atomic import atomic_write
from lm_saturation.jobs import job
from lm_saturation.report.workflow_drawing import drawing

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake), atomic_write(snakemake.output[0]) as partial:
        partial.write_text(drawing(snakemake.params.graph), encoding="utf-8")
