"""Rule `provenance`: what every result of this run can be traced to."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from lm_saturation.io.atomic import write_text
from lm_saturation.jobs import job
from lm_saturation.report.provenance import code_revision, machine, packages
from lm_saturation_workflow.project import ROOT

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        record = {
            "code_revision": code_revision(ROOT),
            "packages": packages(),
            "machine": machine(),
            "config": snakemake.params.experiment.plain(),
            "inputs": {path: json.loads(Path(path).read_text(encoding="utf-8")) for path in snakemake.input.records},
            "audits": {path: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in snakemake.input.audits},
        }
        write_text(snakemake.output[0], json.dumps(record, indent=2) + "\n")
