"""One self-contained HTML page, and the summary that a run ends with."""

import base64
import gzip
import json
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from lm_saturation.claims import CLAIMS
from lm_saturation.claims.base import VERDICTS
from lm_saturation.claims.needs import needs_of
from lm_saturation.report.answers import Answer
from lm_saturation.report.cells import number
from lm_saturation.report.page_facts import facts, provenance_tables
from lm_saturation.report.tiers import TIERS
from lm_saturation.report.verdicts import counts, shown_claims, summary_lines, untested

SCALE = 960 / 1800  # the same for all figures, so that their letters are of one size; 1800 pixels fill the page
LEADING = ("figure_seeds", "figure_natural_experiments", "figure_rounding")  # beside the answers, not in their sections
PACKED = 500_000  # bytes; larger tables of numbers are embedded compressed


@dataclass(frozen=True)
class PageSection:
    """A section as the template takes it. `lacks` says why it is empty, if it is."""

    name: str
    title: str
    lacks: str
    figures: list[dict[str, Any]]
    tables: list[dict[str, Any]]


def page_figure(name: str, title: str, caption: str, details: str, image: str, data: str) -> dict[str, Any]:
    """A figure as the template takes it: its PNG and its CSV are embedded."""
    numbers, file_name = _numbers_drawn(data)
    return {
        "name": name,
        "title": title,
        "image": _data_uri(Path(image).read_bytes(), "image/png"),
        "size": [round(length * SCALE) for length in pixels(image)],
        "alt": f"{title}. {re.split(r'(?<=[.?]) ', caption)[0]}",
        "data": numbers,
        "file_name": file_name,
        "caption": caption,
        "drawn": details,
    }


def _data_uri(data: bytes, kind: str) -> str:
    """The bytes as a data URI, so that the page needs nothing beside it."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _numbers_drawn(path: str | Path) -> tuple[str, str]:
    """The CSV of a figure as a data URI, compressed if it is large, and the name to save it under."""
    data, name = Path(path).read_bytes(), Path(path).name
    if len(data) <= PACKED:
        return _data_uri(data, "text/csv"), name
    return _data_uri(gzip.compress(data, mtime=0), "application/gzip"), f"{name}.gz"


def pixels(png: str | Path) -> tuple[int, int]:
    """Width and height, from the first chunk of the file."""
    with Path(png).open("rb") as file:
        width, height = struct.unpack(">16x2I", file.read(24))
    return width, height


def summary_text(claims: pd.DataFrame, claims_path: str, page: str) -> str:
    """The few lines that a run ends with."""
    return "\n".join(["", *summary_lines(claims), "", f"report     {page}", f"claims     {claims_path}", ""])


def render_page(
    template: Path,
    claims: pd.DataFrame,
    answers: list[Answer],
    sections: list[PageSection],
    links: dict[str, str],
    provenance: dict[str, Any],
    provenance_file: str,
    workflow: str,
    time: dict[str, Any],
) -> str:
    """The page. `links` are the titles of figures and tables by name, whether the page has them or not."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    lacking = [CLAIMS[name] for name in untested(claims)]
    return environment.get_template(template.name).render(
        answers=answers,
        leading=[
            figure for name in LEADING for section in sections for figure in section.figures if figure["name"] == name
        ],
        claims=shown_claims(claims, "claim"),
        questions=shown_claims(claims, "question"),
        counts=counts(claims),
        verdicts=VERDICTS,
        untested=[(need, [claim.text for claim in served]) for need, served in needs_of(lacking).items()],
        links={name: _short(title) for name, title in links.items() if name in _places(sections)},
        tiers=TIERS,
        sections=sections,
        facts=facts(provenance),
        time=time,
        workflow=Markup(workflow),
        provenance_tables=provenance_tables(provenance, provenance_file),
        provenance_file=provenance_file,
        provenance_text=json.dumps(provenance, indent=2),
    )


def _places(sections: Iterable[PageSection]) -> set[str]:
    """The figures and tables that the page has."""
    return {part["name"] for section in sections for part in (*section.figures, *section.tables)}


def _short(title: str) -> str:
    """Figure 1a for *Figure 1a: loss over training*."""
    return title.split(":")[0] if title.startswith(("Figure", "Table")) else title
