from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from lm_saturation.errors import InputError
from lm_saturation.io.tables import (
    arrow_schema,
    describe_tables,
    make_table,
    read_frames,
    read_parts,
    read_table,
    write_frame,
    write_tables,
)

COLUMNS = {
    "corpus": "c",
    "tokenizer": "t",
    "order": 5,
    "sample_size": "all",
    "seed": 0,
    "weighting": "unit",
    "min_count": 1,
    "component_size": np.array([1, 3]),
    "components": np.array([7, 2]),
}


def test_round_trip_in_parts(tmp_path):
    path = tmp_path / "table.parquet"
    write_tables("ngram_components", path, [COLUMNS, {**COLUMNS, "seed": 1}])
    frame = read_table("ngram_components", path).to_pandas()
    assert frame.seed.tolist() == [0, 0, 1, 1]
    assert frame.components.tolist() == [7, 2, 7, 2]
    assert [part["seed"][0].as_py() for part in read_parts("ngram_components", path, ["seed"])] == [0, 1]
    assert pq.read_schema(path).equals(arrow_schema("ngram_components"))


def test_several_files_are_one_frame_with_plain_text(tmp_path):
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for corpus, path in zip("ab", paths, strict=True):
        write_tables("ngram_components", path, [{**COLUMNS, "corpus": corpus}])
    frame = read_frames("ngram_components", paths)
    assert frame.corpus.tolist() == ["a", "a", "b", "b"]
    assert not any(isinstance(kind, pd.CategoricalDtype) for kind in frame.dtypes)
    assert list(frame) == list(read_frames("ngram_components", [])) == arrow_schema("ngram_components").names
    assert list(read_frames("ngram_components", [], ["seed"])) == ["seed"]
    assert read_frames("ngram_components", paths, ["seed", "corpus"]).shape == (4, 2)


def test_a_frame_is_written_with_empty_cells(tmp_path):
    names = arrow_schema("ngram_spectrum").names
    frame = pd.DataFrame({name: [0.5, 0.5] for name in names}).assign(
        corpus="c", tokenizer="t", order=5, sample_size="all", seed=0, weighting="unit", min_count=1, dimension=[1, 2]
    )
    write_frame("ngram_spectrum", tmp_path / "table", frame.assign(method="exact", singular_value=[1.0, np.nan], x=1))
    assert read_table("ngram_spectrum", tmp_path / "table")["singular_value"].to_pylist() == [1.0, None]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"components": np.array([0, 2])}, "column components runs from 0 to 2, allowed is 1 to inf"),
        ({"components": None}, "column components holds 2 empty values"),
        ({"colour": "red"}, r"columns \['colour'\] are missing or unknown"),
    ],
)
def test_wrong_values_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        make_table("ngram_components", {**COLUMNS, **change})


def test_numbers_must_be_finite():
    columns = {name: COLUMNS[name] for name in list(COLUMNS)[:7]}
    errors = ("w_error", "unigram_w_error", "column_norm_w_error", "w_error_low", "w_error_high")
    numbers = {"dimension": np.array([1]), "singular_value": np.array([np.nan]), **dict.fromkeys(errors, 0.0)}
    with pytest.raises(ValueError, match="singular_value holds a value that is not finite"):
        make_table("ngram_spectrum", {**columns, **numbers, "method": "exact"})


@pytest.mark.parametrize("damage", ["truncate", "flip", "other table"])
def test_damaged_file_is_named(tmp_path, damage):
    path = tmp_path / "table.parquet"
    write_tables(
        "ngram_components", path, [{**COLUMNS, "component_size": np.arange(1, 5001), "components": np.arange(1, 5001)}]
    )
    data = bytearray(path.read_bytes())
    if damage == "truncate":
        path.write_bytes(data[: len(data) // 2])
    if damage == "flip":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    name = "ngram_counts" if damage == "other table" else "ngram_components"
    with pytest.raises(InputError, match=r"^\S*table\.parquet: .*delete it and run again") as caught:
        read_table(name, path)
    assert "\n" not in str(caught.value)


def test_failed_write_leaves_nothing(tmp_path):
    def parts():
        yield COLUMNS
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_tables("ngram_components", tmp_path / "table.parquet", parts())
    assert not list(tmp_path.iterdir())


def test_the_page_on_tables_is_up_to_date():
    assert Path("docs/tables.md").read_text(encoding="utf-8") == describe_tables()
