"""Rule `claims`: what the papers claim and this project asks, judged on each source of evidence and curve by curve."""

from typing import TYPE_CHECKING

import pandas as pd

from lm_saturation.claims import CLAIMS
from lm_saturation.io.tables import read_csv, write_csv
from lm_saturation.jobs import job
from lm_saturation_workflow.catalogue import TABLES

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        files = dict(snakemake.input.items())
        known = {
            name: read_csv(TABLES[name].schema, path) if name in TABLES else pd.read_csv(path)
            for name, path in files.items()
        } | {"context": snakemake.params.context}
        judged = [(claim, source) for claim in CLAIMS.values() for source in claim.sources()]
        rows = [claim.row(source, known) for claim, source in judged]
        curves = [row for claim, source in judged for row in claim.curve_rows(source, known)]
        write_csv("claims", snakemake.output.claims, pd.DataFrame(rows))
        write_csv("claim_curves", snakemake.output.curves, pd.DataFrame(curves))
