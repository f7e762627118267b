"""Rule `ability_extract`: the evaluations in a checkout of EleutherAI/pythia as one file.

`resources/pythia_evaluations.csv.xz` was made by this rule; with `abilities.pythia_checkout` it is made anew.
"""

from typing import TYPE_CHECKING

from lm_saturation.abilities.pythia_evaluations import read_checkout
from lm_saturation.io.atomic import atomic_write
from lm_saturation.io.logs import log
from lm_saturation.jobs import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        evaluations = read_checkout(snakemake.params.checkout)
        log.info("%d values of %d files", len(evaluations), evaluations.source_path.nunique())
        with atomic_write(snakemake.output[0]) as partial:
            evaluations.to_csv(partial, index=False, compression="xz")
