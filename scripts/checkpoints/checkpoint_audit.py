"""Rule `checkpoint_audit`: which checkpoints of a model its source holds, and which are damaged or duplicates."""

from typing import TYPE_CHECKING

from lm_saturation.checkpoints.audit import audit_model
from lm_saturation.io.tables import write_rows
from lm_saturation.jobs import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


if __name__ == "__main__":
    with job(snakemake):
        rows = audit_model(snakemake.params.location, snakemake.wildcards.suite, snakemake.wildcards.model)
        write_rows("checkpoint_audit", snakemake.output[0], rows)
