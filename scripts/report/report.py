"""Rule `report`: one self-contained HTML page, and the summary that a run ends with."""

import base64
import gzip
import json
import re
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import pandas as pd
from markupsafe import Markup

from scripts.common.jobs import job, whole_file
from scripts.common.tables import read_csv
from scripts.report import page_tables
from scripts.report.cells import PageTable, number, shown
from scripts.report.page_facts import facts, provenance_tables, time_table
from scripts.report.untested import needs_of
from scripts.report.verdicts import NOT_TESTED

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


@dataclass(frozen=True)
class Section:
    """A part of the page. `unless`: a table, and what is said where it has no rows."""

    title: str
    figures: dict[str, str]
    tables: list[PageTable]
    unless: tuple[str, str] = ("", "")


SECTIONS = {
    "saturation": Section(
        "Saturation",
        {
            "figure_1a": "Figure 1a: loss over training",
            "figure_1b": "Figure 1b: losses beside the scaling law",
            "figure_2": "Figure 2: anisotropy of the layers",
            "figure_3": "Figure 3: loss, coloured by anisotropy",
            "figure_4": "Figure 4: singular values of the LM head",
            "figure_5": "Figure 5: singular entropy of the LM head",
            "figure_centred": "Raw against centred: what softmax cannot see",
            "figure_precision": "Rounding: what logits in half precision cost",
        },
        page_tables.SATURATION,
        ("saturation", "This configuration measures no checkpoints (checkpoints.suites is empty)."),
    ),
    "abilities": Section(
        "Abilities",
        {
            "figure_natural_experiments": "The same width, other optimisation",
            "figure_emergence": "Ability against loss",
            "figure_equal_loss": "Ability at equal loss, before and after saturation",
        },
        page_tables.ABILITIES,
    ),
    "bottleneck": Section(
        "The softmax bottleneck",
        {
            "figure_6": "Figure 6: heads of constrained rank",
            "figure_6_controls": "Figure 6, controls: what the start of a head costs",
            "figure_8": "Figure 8: is there a threshold?",
            "figure_9": "Figure 9: learning rates",
            "figure_bottleneck": "What heads of rank r lose, and at most",
        },
        page_tables.BOTTLENECK,
        ("heads", "This configuration trains no heads (heads.models is empty)."),
    ),
    "tied": Section(
        "Shared embeddings",
        {
            "figure_tied_initial_loss": "Shared embeddings: the loss at the start",
            "figure_tied_convergence": "Shared embeddings: learning with each remedy",
            "figure_tied_saturation": "Shared embeddings: do tied heads degenerate?",
        },
        page_tables.TIED,
        ("tied_models", "This configuration does not study shared embeddings (tied.remedies is empty)."),
    ),
    "rank": Section(
        "The rank of language",
        {
            "figure_7": "Figure 7: the rank of language",
            "figure_7_controls": "Figure 7, controls: language, or the size of the sample?",
        },
        page_tables.RANK,
    ),
}
TITLES = {name: title for section in SECTIONS.values() for name, title in section.figures.items()}
TABLES = {table.name: table for section in SECTIONS.values() for table in section.tables}
SCALE = 960 / 1800  # the same for all figures, so that their letters are of one size; 1800 pixels fill the page
PACKED = 500_000  # bytes; larger tables of numbers are embedded compressed


def embed(path: str | Path, kind: str) -> str:
    """The file as a data URI, so that the page needs nothing beside it."""
    return _data_uri(Path(path).read_bytes(), kind)


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def numbers_drawn(path: str | Path) -> tuple[str, str]:
    """The CSV of a figure as a data URI, compressed if it is large, and the name to save it under."""
    data, name = Path(path).read_bytes(), Path(path).name
    if len(data) <= PACKED:
        return _data_uri(data, "text/csv"), name
    return _data_uri(gzip.compress(data, mtime=0), "application/gzip"), f"{name}.gz"


def figures(images: list[str], data: list[str], captions: list[str]) -> dict[str, dict[str, Any]]:
    """What the page shows of each figure. A caption says what to see; further paragraphs, how it is drawn."""
    found = {}
    for image, table, caption in zip(images, data, captions, strict=True):
        name = Path(image).stem
        numbers, file_name = numbers_drawn(table)
        says, _, drawn = Path(caption).read_text(encoding="utf-8").strip().partition("\n\n")
        found[name] = {
            "name": name,
            "title": TITLES[name],
            "image": embed(image, "image/png"),
            "size": [round(length * SCALE) for length in pixels(image)],
            "alt": f"{TITLES[name]}. {re.split(r'(?<=[.?]) ', says)[0]}",
            "data": numbers,
            "file_name": file_name,
            "caption": says,
            "drawn": drawn,
        }
    return found


def pixels(png: str | Path) -> tuple[int, int]:
    """Width and height, from the first chunk of the file."""
    with Path(png).open("rb") as file:
        width, height = struct.unpack(">16x2I", file.read(24))
    return width, height


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
    return f"{interval} {row.unit}, {row.agreeing} of {row.curves} agree"


def render(
    template: Path,
    claims: pd.DataFrame,
    tables: dict[str, pd.DataFrame],
    drawn: dict[str, dict[str, Any]],
    provenance: dict[str, Any],
    workflow: str,
    time: dict[str, Any],
) -> str:
    """The page. `tables` holds every table of TABLES, `drawn` the figures there are."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    sections = [
        {
            "name": name,
            "title": section.title,
            "lacks": section.unless[1] if section.unless[0] and tables[section.unless[0]].empty else "",
            "figures": [drawn[figure] for figure in section.figures if figure in drawn],
            "tables": [shown(table, tables[table.name]) for table in section.tables],
        }
        for name, section in SECTIONS.items()
    ]
    untested = claims[claims.verdict == NOT_TESTED].set_index("claim").text
    return environment.get_template(template.name).render(
        claims=sorted(claims.to_dict("records"), key=lambda row: row["verdict"] == NOT_TESTED),
        counts=Counter(claims.verdict),
        untested=[(need, [untested[name] for name in names]) for need, names in needs_of(untested.index)],
        links={name: _short(title) for name, title in TITLES.items() if name in drawn}
        | {name: _short(table.title) for name, table in TABLES.items()},
        sections=sections,
        facts=facts(provenance),
        time=time,
        workflow=Markup(workflow),
        provenance_tables=provenance_tables(provenance),
        provenance_text=json.dumps(provenance, indent=2),
    )


def _short(title: str) -> str:
    """Figure 1a for *Figure 1a: loss over training*."""
    return title.split(":")[0] if title.startswith(("Figure", "Table")) else title


if __name__ == "__main__":
    with job(snakemake):
        files = snakemake.input
        verdicts = read_csv("claims", files.claims)
        page = render(
            Path(files.template),
            verdicts,
            {name: read_csv(table.schema, getattr(files, name)) for name, table in TABLES.items()},
            figures(files.images, files.data, files.captions),
            json.loads(Path(files.provenance).read_text(encoding="utf-8")),
            Path(files.workflow).read_text(encoding="utf-8"),
            time_table(snakemake.params.logs),
        )
        summary = summary_text(verdicts, files.claims, snakemake.output.page)
        for path, text in ((snakemake.output.page, page), (snakemake.output.summary, summary)):
            with whole_file(path) as partial:
                partial.write_text(text, encoding="utf-8")
