"""Do two runs of an experiment give the same numbers? Every table, figure's CSV, claim, token file and weight.

python -m benchmarks.compare_results BEFORE AFTER      two folders of results, such as results/smoke of two checkouts

Parquet tables are compared value by value, all else byte by byte. What was renamed between the two is listed here, is
renamed in BEFORE, and printed; nothing else may differ. Prose and pictures are not numbers and are passed over.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

RENAMED_FILES: dict[str, str] = {}  # path below the results: before, after
METRICS = ("anisotropy", "anisotropy_centred", "singular_entropy", "singular_entropy_centred")
START = {"start": "initialisation"}
TIED = {"own_logit": "self_logit", "page_nats": "su_2023_nats"}
RENAMED_COLUMNS: dict[str, dict[str, str]] = {  # by file name, or * for all: before, after
    "head_losses": START,
    "head_training": START,
    "heads": START,
    "figure_6": START,
    "figure_8": START,
    "figure_9": START,
    "head_rank_sweep": {"start": "initialisation", "chosen": "is_best"},
    "head_thresholds": {
        "start": "initialisation",
        "criterion": "aic_difference",
        "criterion_low": "aic_difference_low",
        "criterion_high": "aic_difference_high",
        "noticeable": "noticeable_at",
        "noticeable_low": "noticeable_at_low",
        "noticeable_high": "noticeable_at_high",
    },
    "tied_initial_loss": TIED,
    "tied_models": TIED | {"own_logit_nats": "self_logit_nats"},
    "tied_moments": {"page": "su_2023"},
    "saturation": {f"{metric}_least": f"{metric}_minimum" for metric in METRICS},
    "emergence_sizes": {
        "least_loss_nats": "loss_limit_nats",
        "needed": "parameters_needed",
        "needed_low": "parameters_needed_low",
        "needed_high": "parameters_needed_high",
    },
}
RENAMED_VALUES: dict[str, dict[str, str]] = {  # by column, as it is called after: before, after
    "series": {"page": "su_2023"},
    "definition": {"least loss": "lowest loss"},
    "unit": {"nats a token": "nats/token", "nats a word": "nats/word", "bits a byte": "bits/byte"},
}
WORDED_ANEW = {"claims": {"text", "published", "unit"}}  # by file name: columns of prose
PROSE = {".html", ".md", ".txt", ".svg", ".pdf", ".png", ".sha256", ".log"}
PASSED_OVER = {"provenance.json"}  # configuration, machine and versions


def compare(before: Path, after: Path) -> Iterator[str]:
    """A line for each difference."""
    old, new = (dict(_files(folder)) for folder in (before, after))
    old = {RENAMED_FILES.get(name, name): path for name, path in old.items()}
    yield from (f"only before: {name}" for name in sorted(old.keys() - new.keys()))
    yield from (f"only after: {name}" for name in sorted(new.keys() - old.keys()))
    for name in sorted(old.keys() & new.keys()):
        if difference := _difference(old[name], new[name]):
            yield f"{name}: {difference}"


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        counts = path.is_file() and path.suffix not in PROSE and path.name not in PASSED_OVER
        if counts and not path.name.startswith(".snakemake"):
            yield str(path.relative_to(folder)), path


def _difference(old: Path, new: Path) -> str | None:
    if new.suffix == ".parquet":
        return _table_difference(_renamed(pq.read_table(old), new), pq.read_table(new))
    if new.suffix == ".csv":
        return _csv_difference(old.read_text("utf-8"), new.read_text("utf-8"), new)
    return None if old.read_bytes() == new.read_bytes() else "other bytes"


def _names(path: Path) -> dict[str, str]:
    return RENAMED_COLUMNS.get("*", {}) | RENAMED_COLUMNS.get(path.stem, {})


def _renamed(table: pa.Table, path: Path) -> pa.Table:
    table = table.rename_columns([_names(path).get(name, name) for name in table.column_names])
    for column, values in RENAMED_VALUES.items():
        if column in table.column_names and pa.types.is_string(_plain(table[column]).type):
            texts = [values.get(text, text) for text in _plain(table[column]).to_pylist()]
            table = table.set_column(table.column_names.index(column), column, pa.chunked_array([texts], pa.string()))
    return table


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def _table_difference(old: pa.Table, new: pa.Table) -> str | None:
    if set(old.column_names) != set(new.column_names):
        return f"columns {sorted(set(old.column_names) ^ set(new.column_names))}"
    if len(old) != len(new):
        return f"{len(old)} rows before, {len(new)} after"
    unequal = [
        name for name in new.column_names if _plain(old[name]).combine_chunks() != _plain(new[name]).combine_chunks()
    ]
    return f"values of {', '.join(unequal)}" if unequal else None


def _csv_difference(old: str, new: str, path: Path) -> str | None:
    import csv

    rows, others = (list(csv.reader(text.splitlines())) for text in (old, new))
    if not rows or not others:
        return None if rows == others else "empty"
    head = [_names(path).get(name, name) for name in rows[0]]
    if head != others[0]:
        return f"columns {head} before, {others[0]} after"
    renamed = [
        [RENAMED_VALUES.get(name, {}).get(cell, cell) for name, cell in zip(head, row, strict=True)] for row in rows[1:]
    ]
    unequal = sorted({name for row, other in zip(renamed, others[1:], strict=False)
                      for name, cell, now in zip(head, row, other, strict=True)
                      if cell != now and name not in WORDED_ANEW.get(path.stem, ())})  # fmt: skip
    if len(rows) != len(others):
        return f"{len(rows) - 1} rows before, {len(others) - 1} after"
    return f"values of {', '.join(unequal)}" if unequal else None


def main(before: Path, after: Path) -> int:
    """Print what was renamed and every difference; 1 if there is one."""
    for kind, pairs in (("file", RENAMED_FILES), ("value", RENAMED_VALUES), ("column", RENAMED_COLUMNS)):
        for name, renamed in pairs.items():
            print(f"renamed {kind}: {name}: {renamed}")
    found = list(compare(before, after))
    print("\n".join(found) or f"the same: {sum(1 for _ in _files(after))} files")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
