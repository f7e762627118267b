"""Rule `findings`: each place where text, figures and published data of the papers disagree, with the evidence."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from lm_saturation.io.atomic import write_text
from lm_saturation.io.tables import read_csv
from lm_saturation.jobs import job
from lm_saturation.report.findings import evidence, render
from lm_saturation_workflow.catalogue import TABLES

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        files, options = snakemake.input, snakemake.params
        tables = {name: read_csv(TABLES[name].schema, path) for name, path in files.items() if name in TABLES}
        tables["claims"] = read_csv("claims", files.claims)
        figures = {name.removeprefix("figure_"): pd.read_csv(path) for name, path in files.items()
                   if name.startswith("figure_")}  # fmt: skip
        text = render(
            Path(files.template).read_text(encoding="utf-8"),
            suites=", ".join(options.suites) or "none",
            corpora=", ".join(options.corpora),
            **evidence(tables, figures, pd.read_csv(files.evaluations)),
        )
        write_text(snakemake.output[0], text)
