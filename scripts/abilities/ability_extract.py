"""Rule `ability_extract`: the evaluations in a checkout of EleutherAI/pythia as one file, as in resources/.

`resources/pythia_evaluations.csv.xz` was made by this rule; with `abilities.pythia_checkout` it is made anew.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from scripts.abilities.upstream import read_checkout
from scripts.common.jobs import job, log, whole_file

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

ORDER = ["suite_version", "model", "num_fewshot", "task", "metric", "step", "source_path"]


def extract(folder: str | Path) -> pd.DataFrame:
    """Every value of a checkout, in an order in which like stands beside like."""
    return pd.DataFrame(read_checkout(folder)).sort_values(ORDER, ignore_index=True)


if __name__ == "__main__":
    with job(snakemake):
        found = extract(snakemake.params.checkout)
        log.info("%d values of %d files", len(found), found.source_path.nunique())
        with whole_file(snakemake.output[0]) as partial:
            found.to_csv(partial, index=False, compression="xz")
