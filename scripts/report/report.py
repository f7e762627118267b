"""Rule `report`: one self-contained HTML page, and the summary that a run ends with."""

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import pandas as pd

from scripts.common.jobs import job, whole_file
from scripts.common.tables import read_csv

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

TITLES = {
    "figure_7": "Figure 7: the rank of language",
    "figure_7_controls": "Figure 7, controls: language, or the size of the sample?",
}


def embed(path: str | Path, kind: str) -> str:
    """The file as a data URI, so that the page needs nothing beside it."""
    return f"data:{kind};base64,{base64.b64encode(Path(path).read_bytes()).decode()}"


def figures(images: list[str], data: list[str], captions: list[str]) -> list[dict[str, str]]:
    """What the page shows of each figure."""
    return [
        {
            "name": Path(image).stem,
            "title": TITLES[Path(image).stem],
            "image": embed(image, "image/png"),
            "data": embed(table, "text/csv"),
            "caption": Path(caption).read_text(encoding="utf-8").strip(),
        }
        for image, table, caption in zip(images, data, captions, strict=True)
    ]


def number(value: float) -> str:
    """A number as the page prints it; nothing for an empty cell."""
    if pd.isna(value):
        return ""
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 10 else f"{value:.2g}"


def summary_text(claims: pd.DataFrame, claims_path: str, page: str) -> str:
    """The few lines that a run ends with."""
    lines = [
        f"{row.verdict}: {row.text}\n    published {row.published}; here {_ours(row)}" for row in claims.itertuples()
    ]
    return "\n".join(["", *lines, "", f"report     {page}", f"claims     {claims_path}", ""])


def _ours(row: Any) -> str:
    if not row.curves:
        return "-"
    interval = f"{number(row.ours_low)} to {number(row.ours_high)}"
    return f"{interval} {row.unit}, in range on {row.agreeing} of {row.curves} curves"


def render(
    template: str,
    claims: pd.DataFrame,
    table: pd.DataFrame,
    controls: pd.DataFrame,
    models: pd.DataFrame,
    shown: list[dict[str, str]],
    provenance: dict[str, Any],
) -> str:
    """The page."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"number": number}
    return environment.from_string(template).render(
        claims=claims.to_dict("records"),
        table=table.to_dict("records"),
        controls=controls.to_dict("records"),
        models=models.to_dict("records"),
        figures=shown,
        provenance=provenance,
        provenance_text=json.dumps(provenance, indent=2),
    )


if __name__ == "__main__":
    with job(snakemake):
        files = snakemake.input
        verdicts = read_csv("claims", files.claims)
        page = render(
            Path(files.template).read_text(encoding="utf-8"),
            verdicts,
            read_csv("table_7", files.table_7),
            read_csv("table_7_controls", files.controls),
            read_csv("language_model", files.models),
            figures(files.images, files.data, files.captions),
            json.loads(Path(files.provenance).read_text(encoding="utf-8")),
        )
        summary = summary_text(verdicts, files.claims, snakemake.output.page)
        for path, text in ((snakemake.output.page, page), (snakemake.output.summary, summary)):
            with whole_file(path) as partial:
                partial.write_text(text, encoding="utf-8")
