"""Every table of the project: Parquet, with the columns that src/lm_saturation/io/tables.yaml names, checked both ways.

write_tables("ngram_spectrum", path, parts)
table = read_table("ngram_spectrum", path)

`python -m lm_saturation.io.tables` prints docs/tables.md (`make docs`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from lm_saturation.errors import InputError
from lm_saturation.io.atomic import atomic_write

SCHEMA_FILE = Path(__file__).with_name("tables.yaml")
ROW_GROUP = 1 << 26  # rows, pyarrow's limit
TYPES = {
    "key": pa.dictionary(pa.int32(), pa.string()),  # one value repeated over a table: a few bytes on disk
    "text": pa.string(),
    "integer": pa.int64(),
    "token": pa.uint32(),
    "number": pa.float64(),
}


@cache
def table_columns(name: str) -> dict[str, dict[str, Any]]:
    """The columns of the table `name`: type, description, and bounds where there are any."""
    return yaml.safe_load(SCHEMA_FILE.read_text(encoding="utf-8"))[name]["columns"]


@cache
def arrow_schema(name: str) -> pa.Schema:
    """The Arrow schema of the table `name`."""
    columns = table_columns(name).items()
    return pa.schema(
        [pa.field(column, TYPES[rule["type"]], nullable=rule.get("nullable", False)) for column, rule in columns]
    )


def make_table(name: str, columns: Mapping[str, Any]) -> pa.Table:
    """Build the table `name` from arrays; a scalar fills its column.

    Raises ValueError if a column is missing, unknown, of another type or out of bounds.
    """
    schema = arrow_schema(name)
    if unlike := set(columns) ^ set(schema.names):
        raise ValueError(f"table {name}: columns {sorted(unlike)} are missing or unknown")
    length = max((len(value) for value in columns.values() if not _is_scalar(value)), default=1)
    arrays = [_array(columns[field.name], field.type, length) for field in schema]
    table = pa.Table.from_arrays(arrays, schema=schema)
    _check_values(name, table)
    return table


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float) or not hasattr(value, "__len__")


def _array(value: Any, kind: pa.DataType, length: int) -> pa.Array:
    if not _is_scalar(value):
        return pa.array(value).cast(kind)
    if pa.types.is_dictionary(kind):
        return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), length), pa.array([str(value)]))
    return pa.repeat(pa.scalar(value, kind), length)


def _check_values(name: str, table: pa.Table) -> None:
    for column in table.column_names:
        rule, values = table_columns(name)[column], table[column]
        if values.null_count and not rule.get("nullable", False):
            raise ValueError(f"table {name}: column {column} holds {values.null_count} empty values")
        if rule["type"] not in ("integer", "token", "number") or len(values) == values.null_count:
            continue
        if rule["type"] == "number" and not pc.all(pc.is_finite(values)).as_py():
            raise ValueError(f"table {name}: column {column} holds a value that is not finite")
        extremes = pc.min_max(values).as_py()
        low, high = rule.get("minimum", float("-inf")), rule.get("maximum", float("inf"))
        if extremes["min"] < low or extremes["max"] > high:
            values_range = f"{extremes['min']} to {extremes['max']}"
            raise ValueError(f"table {name}: column {column} runs from {values_range}, allowed is {low} to {high}")


def write_tables(name: str, path: str | Path, parts: Iterable[Mapping[str, Any]]) -> None:
    """Write the table `name`, completely or not at all, part by part; each is a row group, one is in memory at a time.

    Raises ValueError as `make_table`, or if a part has more rows than a row group can hold.
    """
    with (
        atomic_write(path) as unfinished,
        pq.ParquetWriter(unfinished, arrow_schema(name), compression="zstd", write_page_checksum=True) as writer,
    ):
        for columns in parts:
            table = make_table(name, columns)
            if len(table) > ROW_GROUP:
                raise ValueError(f"table {name}: a part of {len(table)} rows; at most {ROW_GROUP} fit a row group")
            writer.write_table(table, row_group_size=ROW_GROUP)


def write_rows(name: str, path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the table `name` of rows, of which there may be none; what else a row holds is left out.

    Raises ValueError as `make_table`, and KeyError if a row lacks a column.
    """
    write_tables(name, path, [{column: [row[column] for row in rows] for column in table_columns(name)}])


def write_frame(name: str, path: str | Path, frame: Any) -> None:
    """Write the table `name` of a pandas frame; NaN is an empty cell, further columns of the frame are left out.

    Raises ValueError as `make_table`, and KeyError if the frame lacks a column.
    """
    write_rows(name, path, frame.astype(object).where(frame.notna(), None).to_dict("records"))


def write_csv(name: str, path: str | Path, frame: Any) -> None:
    """Write a small table for people: a pandas frame, checked as `make_table` does; NaN is an empty cell."""
    _check_frame(name, frame)
    with atomic_write(path) as unfinished:
        columns = list(table_columns(name))
        frame[columns].to_csv(unfinished, index=False, float_format="%.6g", lineterminator="\n")


def _check_frame(name: str, frame: Any) -> None:
    schema = arrow_schema(name)
    texts = [column for column, rule in table_columns(name).items() if rule["type"] in ("key", "text")]
    frame = frame[schema.names].astype(dict.fromkeys(texts, object))  # a column without a value is no column of numbers
    _check_values(name, pa.Table.from_pandas(frame, schema=schema, preserve_index=False))


def read_csv(name: str, path: str | Path) -> Any:
    """Read a table that `write_csv` wrote, as a pandas frame, and check it.

    Raises InputError if it is damaged or is another table.
    """
    import pandas as pd

    texts = [column for column, rule in table_columns(name).items() if rule["type"] in ("key", "text")]
    frame = _reading(path, lambda: pd.read_csv(path, dtype=dict.fromkeys(texts, "str")))
    _reading(path, lambda: _check_frame(name, frame))
    return frame


def read_table(name: str, path: str | Path) -> pa.Table:
    """Read the table `name` and check it. Raises InputError if the file is damaged or is another table."""
    return pa.concat_tables(read_parts(name, path, list(table_columns(name))))


def read_frames(name: str, paths: Iterable[str | Path], columns: Sequence[str] | None = None) -> Any:
    """The rows of several files of the table `name` as one pandas frame, keys as plain text.

    No files give an empty frame with the same columns: all of the table, or those named. Raises InputError as
    `read_table`.
    """
    import pandas as pd

    tables = [arrow_schema(name).empty_table(), *(read_table(name, path) for path in paths)]
    selected = [table.select(list(columns)) if columns else table for table in tables]
    frame = pa.concat_tables(selected, unify_dictionaries=True).to_pandas()
    keys = [column for column in frame if isinstance(frame[column].dtype, pd.CategoricalDtype)]
    return frame.astype(dict.fromkeys(keys, str))


def read_parts(
    name: str, path: str | Path, columns: Sequence[str], where: tuple[str, int, int] | None = None
) -> Iterator[pa.Table]:
    """Read some columns of the table `name` part by part, as they were written; one part is in memory at a time.

    With `where`, (column, low, high), parts that hold no value from low to high in that column are passed over.
    Raises InputError if the file is damaged or is another table.
    """
    ranges = part_ranges(name, path, where[0]) if where else []
    with _open_table(name, path) as file:
        for number in range(file.num_row_groups):
            if where and (ranges[number][0] > where[2] or ranges[number][1] < where[1]):
                continue
            part = _reading(path, partial(file.read_row_group, number, columns=list(columns)))
            _reading(path, partial(_check_values, name, part))
            yield part


def part_ranges(name: str, path: str | Path, column: str) -> list[tuple[int, int, int]]:
    """The minimum and maximum of a column of integers in each part of the table `name`, and the part's rows."""
    with _open_table(name, path) as file:
        groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
        place = file.schema_arrow.names.index(column)
        statistics = [group.column(place).statistics for group in groups]
        return [(column.min, column.max, group.num_rows) for column, group in zip(statistics, groups, strict=True)]


@contextmanager
def _open_table(name: str, path: str | Path) -> Iterator[pq.ParquetFile]:
    """The table `name`, its page checksums verified as they are read."""
    with _reading(path, lambda: pq.ParquetFile(path, page_checksum_verification=True)) as file:
        if not file.schema_arrow.equals(arrow_schema(name)):
            raise InputError(
                f"{path}: not a table of the kind {name} (src/lm_saturation/io/tables.yaml); delete it and run again"
            )
        yield file


def _reading(path: str | Path, read: Any) -> Any:
    try:
        return read()
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: cannot be read ({reason}); delete it and run again to rebuild it") from error


def describe_tables() -> str:
    """All tables and their columns in Markdown."""
    tables = yaml.safe_load(SCHEMA_FILE.read_text(encoding="utf-8"))
    origin = "Written from `src/lm_saturation/io/tables.yaml` by `make docs`."
    text = f"# Tables\n\n{origin}\n"
    for name, table in tables.items():
        text += f"\n## {name}\n\n{table['description']}\n\n| column | type | meaning | allowed |\n|---|---|---|---|\n"
        for column, rule in table["columns"].items():
            allowed = [f"{sign} {rule[bound]}" for sign, bound in (("≥", "minimum"), ("≤", "maximum")) if bound in rule]
            allowed += ["may be empty"] * rule.get("nullable", False)
            text += f"| `{column}` | {rule['type']} | {rule['description']} | {', '.join(allowed)} |\n"
    return text


if __name__ == "__main__":
    print(describe_tables(), end="")
