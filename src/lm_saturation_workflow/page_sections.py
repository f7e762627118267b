"""The sections of the page, from the catalogue, the tables and the figures of a run."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from lm_saturation.report.cells import shown
from lm_saturation.report.page import PageSection, page_figure
from lm_saturation_workflow.catalogue import FIGURES, SECTIONS, TABLES
from lm_saturation_workflow.catalogue.base import Section

TITLES = {name: figure.title for name, figure in FIGURES.items()} | {
    view.name: view.title for table in TABLES.values() for view in table.views
}


def page_sections(
    tables: Mapping[str, pd.DataFrame], files: Mapping[str, str], images: Iterable[str], data: Iterable[str]
) -> list[PageSection]:
    """The sections, of tables and their `files` by name and of the figures whose PNG and CSV are given."""
    return [_section(section, tables, files, _by_figure(images), _by_figure(data)) for section in SECTIONS]


def _section(
    section: Section,
    tables: Mapping[str, pd.DataFrame],
    files: Mapping[str, str],
    images: dict[str, str],
    data: dict[str, str],
) -> PageSection:
    table, lacks = section.unless_empty
    views = [(view, table.name) for rule in section.tables for table in rule.tables for view in table.views]
    return PageSection(
        name=section.name,
        title=section.title,
        lacks=lacks if table and tables[table].empty else "",
        figures=[
            page_figure(
                figure.name, figure.title, figure.caption, figure.details, images[figure.name], data[figure.name]
            )
            for figure in section.figures
            if figure.name in images
        ],
        tables=[shown(view, tables[name], files[name]) for view, name in views],
    )


def _by_figure(paths: Iterable[str]) -> dict[str, str]:
    return {Path(path).stem: path for path in paths}
