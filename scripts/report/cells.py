"""How the page shows a table: columns, their heads, and how values read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from scripts.report.suites import short_number


@dataclass(frozen=True)
class Column:
    """A column of the page: its head, and the text of a cell from a row of the table."""

    head: str
    text: Callable[[dict[str, Any]], str]
    is_number: bool = True  # stands to the right, is sorted by its first number


@dataclass(frozen=True)
class PageTable:
    """A table of the page. `note` may say how many rows were {tried}; `keys` tell them apart, others are left out."""

    name: str
    schema: str
    title: str
    columns: list[Column]
    note: str = ""
    keys: tuple[str, ...] = ()
    chosen: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table


def number(value: float) -> str:
    """A number as the page prints it; nothing for an empty cell."""
    if pd.isna(value):
        return ""
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 10 else f"{value:.2g}"


def size(value: float) -> str:
    """A number of parameters in three digits: 14.1M."""
    return short_number(float(f"{value:.3g}"))


def _printed(value: float, form: str) -> str:
    if not form or pd.isna(value):
        return number(value)
    return format(value, form)


def words(head: str, column: str | None = None) -> Column:
    """Text, as it is but for underscores."""
    name = column or head
    return Column(head, lambda row: "" if pd.isna(row[name]) else str(row[name]).replace("_", " "), is_number=False)


def named(head: str, column: str, names: dict[Any, str]) -> Column:
    """Text by another name."""
    return Column(head, lambda row: names.get(row[column], str(row[column])), is_number=False)


def digits(head: str, column: str, form: str = "") -> Column:
    """A number, as the page prints them or in a format of its own."""
    return Column(head, lambda row: _printed(row[column], form))


def interval(name: str, form: str = "", head: str = "95 % interval") -> Column:
    """The two ends that the table calls NAME_low and NAME_high; of no name, low and high."""
    ends = [f"{name}_{end}".lstrip("_") for end in ("low", "high")]
    return Column(
        head, lambda row: "" if pd.isna(row[ends[0]]) else " to ".join(_printed(row[end], form) for end in ends)
    )


def shown(table: PageTable, frame: pd.DataFrame) -> dict[str, Any]:
    """A table as the template takes it."""
    tried = frame.drop_duplicates(list(table.keys)) if table.keys else frame
    rows = table.chosen(tried).to_dict("records")
    cells = [[column.text(row) for column in table.columns] for row in rows]
    made = of_texts(table.name, table.title, [(column.head, column.is_number) for column in table.columns], cells)
    ours = [row.get("source") != "paper" for row in rows]
    return made | {"note": table.note.format(tried=len(tried)), "ours": ours}


def of_texts(name: str, title: str, heads: list[tuple[str, bool]], rows: list[list[str]]) -> dict[str, Any]:
    """The same of texts; a head says whether its column holds numbers."""
    return {"name": name, "title": title, "note": "", "heads": heads, "rows": rows, "ours": [True] * len(rows)}
