"""Rule `checkpoint_download`: the checkpoints of a span, each in a folder step{step}, in Hugging Face form."""

from pathlib import Path
from typing import TYPE_CHECKING

from lm_saturation.checkpoints.download import choose_checkpoints, fetch_checkpoints
from lm_saturation.io.tables import read_table
from lm_saturation.jobs import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


if __name__ == "__main__":
    with job(snakemake):
        params, model = snakemake.params, snakemake.wildcards.model
        audit = read_table("checkpoint_audit", snakemake.input.audit).to_pylist()
        name = f"{snakemake.wildcards.suite}/{model}"
        chosen = choose_checkpoints(audit, params.steps, params.bad_checkpoints, name)
        fetch_checkpoints(params.location, model, chosen, Path(snakemake.output[0]))
