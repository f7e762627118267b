"""What a figure and a table are, and how they are declared: once, with their inputs and how the page shows them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lm_saturation.claims import CLAIMS
from lm_saturation.config import Experiment
from lm_saturation.report.cells import View

Files = dict[str, str | list[str]]  # by the name that a script calls them by
Parameters = dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """A figure: scripts/report/NAME.py makes results/figures/NAME.pdf, .png and .csv by a rule of that name."""

    name: str
    title: str
    caption: str  # what to see in it
    details: str  # how it is drawn
    inputs: Callable[[Experiment], Files]
    parameters: Callable[[Experiment], Parameters] = lambda _: {}
    wanted: Callable[[Experiment], bool] = lambda _: True  # does the page of this experiment show it?
    palette: bool = True  # are its colours those of report.palette, and not of an order such as model size?
    minutes: int = 1  # on two cores with nothing there yet, as the default run took them

    @property
    def claims(self) -> list[str]:
        """The claims that it bears on."""
        return [name for name, claim in CLAIMS.items() if self.name in claim.shown_in]

    def files(self) -> Files:
        """What its rule makes."""
        return {kind: f"<results>/figures/{self.name}.{kind}" for kind in ("pdf", "png", "csv")}


@dataclass(frozen=True)
class Table:
    """A table for people, results/tables/NAME.csv, and the views of it on the page."""

    name: str
    schema: str  # its columns, in src/lm_saturation/io/tables.yaml
    views: tuple[View, ...] = ()

    @property
    def file(self) -> str:
        """Where it lies."""
        return f"<results>/tables/{self.name}.csv"

    @property
    def claims(self) -> list[str]:
        """The claims that it bears on."""
        return [name for name, claim in CLAIMS.items() if self.name in claim.shown_in]


@dataclass(frozen=True)
class TableRule:
    """A rule that writes tables: scripts/report/NAME.py; its outputs are called as the tables."""

    name: str
    message: str
    inputs: Callable[[Experiment], Files]
    tables: tuple[Table, ...]
    parameters: Callable[[Experiment], Parameters] = lambda _: {}
    minutes: int = 1  # as of figures

    def files(self) -> Files:
        """What it makes."""
        return {table.name: table.file for table in self.tables}


@dataclass(frozen=True)
class Section:
    """A section of the page."""

    name: str
    title: str
    figures: tuple[Figure, ...]
    tables: tuple[TableRule, ...]
    # a table, and what the page says where it has no rows
    unless_empty: tuple[str, str] = ("", "")


def table_file(name: str) -> str:
    """A table for people, by name."""
    return f"<results>/tables/{name}.csv"
