"""Rule `report`: one self-contained HTML page, and the summary that a run ends with."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from lm_saturation.io.atomic import write_text
from lm_saturation.io.tables import read_csv
from lm_saturation.jobs import job
from lm_saturation.report.answers import answers
from lm_saturation.report.page import render_page, summary_text
from lm_saturation.report.page_facts import time_table
from lm_saturation_workflow.catalogue import TABLES
from lm_saturation_workflow.page_sections import TITLES, page_sections

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    with job(snakemake):
        files, output = snakemake.input, snakemake.output
        claims = read_csv("claims", files.claims)
        paths = {name: getattr(files, name) for name, table in TABLES.items() if table.views}
        tables = {name: read_csv(TABLES[name].schema, path) for name, path in paths.items()}
        page = render_page(
            Path(files.template),
            claims,
            answers(claims, tables["seed_runs"], tables["rounding_pairs"]),
            page_sections(tables, paths, files.images, files.data),
            TITLES,
            json.loads(Path(files.provenance).read_text(encoding="utf-8")),
            files.provenance,
            Path(files.workflow).read_text(encoding="utf-8"),
            time_table(snakemake.params.logs),
        )
        write_text(output.page, page)
        write_text(output.summary, summary_text(claims, files.claims, output.page))
