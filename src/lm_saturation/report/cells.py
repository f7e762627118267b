"""How the page shows a table: columns, their heads, and how values read.

The workflow reads these declarations each time it is parsed, so pandas is imported only by those who show a table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lm_saturation.figures.numbers import short_number

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]

ON_PAPER = 50  # rows, about a page of A4; longer tables are not printed


@dataclass(frozen=True)
class Column:
    """A column of the page: its head, and the text of a cell from a row of the table."""

    head: str
    text: Callable[[Row], str]
    is_number: bool = True  # stands to the right, is sorted by its first number


@dataclass(frozen=True)
class View:
    """What the page shows of a table. `note` may say how many rows were {tried}; `keys` tell them apart.

    Rows whose keys another row has, and rows that are not `chosen`, are left out.
    """

    name: str  # of the place on the page
    title: str
    columns: tuple[Column, ...]
    note: str = ""
    keys: tuple[str, ...] = ()
    chosen: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table


def is_empty(value: Any) -> bool:
    """Whether a cell holds nothing: None or NaN."""
    return value is None or value != value


def number(value: float) -> str:
    """A number as the page prints it; nothing for an empty cell."""
    if is_empty(value):
        return ""
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 10 else f"{value:.2g}"


def size(value: float) -> str:
    """A number of parameters in three digits: 14.1M."""
    return short_number(float(f"{value:.3g}"))


def _printed(value: float, form: str) -> str:
    return number(value) if not form or is_empty(value) else format(value, form)


def words(head: str, column: str | None = None) -> Column:
    """Text, as it is but for underscores."""
    name = column or head
    return Column(head, lambda row: "" if is_empty(row[name]) else str(row[name]).replace("_", " "), is_number=False)


def named(head: str, column: str, names: dict[Any, str]) -> Column:
    """Text by another name."""
    return Column(head, lambda row: names.get(row[column], str(row[column])), is_number=False)


def digits(head: str, column: str, form: str = "") -> Column:
    """A number, as the page prints them or in a format of its own."""
    return Column(head, lambda row: _printed(row[column], form))


def interval(name: str, form: str = "", head: str = "95 % interval") -> Column:
    """The two ends that the table calls NAME_low and NAME_high; of no name, low and high."""
    low, high = (f"{name}_{end}".lstrip("_") for end in ("low", "high"))
    return Column(
        head, lambda row: "" if is_empty(row[low]) else f"{_printed(row[low], form)} to {_printed(row[high], form)}"
    )


def shown(view: View, frame: pd.DataFrame, file: str) -> dict[str, Any]:
    """A table as the template takes it, and the file that it is read from."""
    tried = frame.drop_duplicates(list(view.keys)) if view.keys else frame
    rows = view.chosen(tried).to_dict("records")
    cells = [[column.text(row) for column in view.columns] for row in rows]
    texts = of_texts(view.name, view.title, [(column.head, column.is_number) for column in view.columns], cells, file)
    ours = [row.get("source") != "paper" for row in rows]
    return texts | {"note": view.note.format(tried=len(tried)), "ours": ours}


def of_texts(
    name: str, title: str, heads: list[tuple[str, bool]], rows: list[list[str]], file: str = ""
) -> dict[str, Any]:
    """The same of texts; a head says whether its column holds numbers."""
    return {
        "name": name,
        "title": title,
        "note": "",
        "heads": heads,
        "rows": rows,
        "ours": [True] * len(rows),
        "file": file,
        "long": len(rows) > ON_PAPER,
    }
