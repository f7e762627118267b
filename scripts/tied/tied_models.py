"""Rule `tied_models`: the loss of models of transformers at their own initialisation, tied and untied, by depth."""

from typing import TYPE_CHECKING

import torch

from lm_saturation.io.tables import write_rows
from lm_saturation.jobs import job
from lm_saturation.tied.transformers_models import model_rows

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


if __name__ == "__main__":
    with job(snakemake):
        torch.set_num_threads(snakemake.threads)
        write_rows("tied_models", snakemake.output[0], list(model_rows(snakemake.params.options)))
