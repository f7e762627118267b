"""Rule `ability_data`: the items of a task of lm-evaluation-harness, fetched once, where there is a network."""

from pathlib import Path
from typing import TYPE_CHECKING

from lm_saturation.abilities.harness_data import write_harness_task
from lm_saturation.abilities.task_folders import redirect_harness_log
from lm_saturation.jobs import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        redirect_harness_log()
        write_harness_task(snakemake.wildcards.task, Path(snakemake.output[0]), snakemake.params.storycloze)
