"""Rule `tied_initial_loss`: the loss of the bigram model that a network starts as, plain and with every remedy."""

from typing import TYPE_CHECKING

import torch

from lm_saturation.io.tables import write_rows
from lm_saturation.jobs import job
from lm_saturation.tied.initial_loss import initial_loss_rows, moment_rows
from lm_saturation.tied.start_checks import start_checks

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


if __name__ == "__main__":
    with job(snakemake):
        torch.set_num_threads(snakemake.threads)
        options, remedies = snakemake.params.options, list(snakemake.params.remedies)
        write_rows("tied_initial_loss", snakemake.output.losses, list(initial_loss_rows(options, remedies)))
        write_rows("tied_moments", snakemake.output.moments, list(moment_rows(options)))
        checks = start_checks(options)
        write_rows("tied_norms", snakemake.output.norms, checks.norms)
        write_rows("tied_underflow", snakemake.output.underflow, checks.underflow)
