"""Rules of stage causes, as Snakemake runs their scripts, and what is made of their tables."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.sparse import csr_array, diags_array

from lm_saturation.claims import CLAIMS, Context
from lm_saturation.claims.base import HERE
from lm_saturation.config.causes import LanguageOptions, SearchOptions, SoftmaxRankOptions
from lm_saturation.io.tables import read_table, write_rows, write_tables
from lm_saturation.ngrams.matrix import matrix_columns
from lm_saturation.ngrams.spectrum import exact_spectrum, smallest_dimension
from lm_saturation.report.tables.table_softmax_rank import table_softmax_rank
from lm_saturation.softmax_rank.laws import laws_of_entries
from lm_saturation.softmax_rank.measured import count_weighted_w_error

KEYS = {"corpus": "docs", "tokenizer": "bpe", "order": 2, "sample_size": "1000"}
OPTIONS = SoftmaxRankOptions(min_count=3, contexts=10, dimensions=[1, 2, 4], norm_products=[20.0], iterations=60)
CONTEXT = Context(sample_size="100000", synthetic=("made",))


def write_matrix(path, seed=0):
    """W of a table of Poisson counts of 30 contexts and 12 tokens."""
    counts = np.random.default_rng(seed).poisson(1.0, (30, 12))
    context, token = np.nonzero(counts)
    table = pa.table(
        {
            "context_1": pa.array(context, pa.uint32()),
            **{f"context_{i}": pa.nulls(len(context), pa.uint32()) for i in (2, 3, 4)},
            "next_token": pa.array(token, pa.uint32()),
            "count": counts[context, token],
        }
    )
    parts = [{**KEYS, "seed": each, **matrix_columns(table)} for each in (0, 1)]
    write_tables("ngram_matrix", path, parts)
    return counts


@pytest.fixture
def found(run_script, tmp_path):
    counts = write_matrix(tmp_path / "matrix.parquet")
    path = tmp_path / "softmax_rank.parquet"
    params = {"options": OPTIONS, "smoothed": None, "seed": 0}
    files = {"matrix": tmp_path / "matrix.parquet"}
    run_script("causes/softmax_rank.py", input=files, output=[path], params=params, wildcards=KEYS)
    return counts, read_table("softmax_rank", path).to_pandas()


def test_rows_by_search_and_by_construction(found):
    counts, rows = found
    searched = rows[rows.method == "search"]
    assert searched.norm_bound.isna().sum() == 3
    assert (searched[searched.norm_bound.notna()].norm_product <= 20 * (1 + 1e-9)).all()
    most = np.sort(counts.sum(axis=1))[::-1][:10]
    assert (searched.ngram_share - most.sum() / counts.sum()).abs().max() < 1e-12
    assert (searched.contexts == 10).all()
    constructed = rows[rows.method == "construction"]
    assert set(constructed.weighting) == {"unit", "count"}
    assert (constructed.contexts == (counts.sum(axis=1) > 0).sum()).all()
    assert (constructed.groupby("weighting", observed=True).gap_nats.min() == 0).all()


def test_without_a_search_there_is_the_construction(run_script, tmp_path):
    write_matrix(tmp_path / "matrix.parquet")
    path = tmp_path / "softmax_rank.parquet"
    run_script(
        "causes/softmax_rank.py",
        input={"matrix": tmp_path / "matrix.parquet"},
        output=[path],
        params={"options": None, "smoothed": None, "seed": 1},
        wildcards=KEYS,
    )
    assert set(read_table("softmax_rank", path).to_pandas().method) == {"construction"}


def test_without_frequent_contexts_nothing_is_searched(run_script, tmp_path):
    write_matrix(tmp_path / "matrix.parquet")
    path = tmp_path / "softmax_rank.parquet"
    params = {"options": SoftmaxRankOptions(min_count=1000), "smoothed": None, "seed": 0}
    matrix = tmp_path / "matrix.parquet"
    log = run_script("causes/softmax_rank.py", input={"matrix": matrix}, output=[path], params=params, wildcards=KEYS)
    assert "2-grams of docs in bpe: no context is seen 1000 times; nothing is searched" in log
    assert set(read_table("softmax_rank", path).to_pandas().method) == {"construction"}


def test_w_error_is_that_of_stage_ngrams(tmp_path):
    write_matrix(tmp_path / "matrix.parquet")
    entries = read_table("ngram_matrix", tmp_path / "matrix.parquet")
    entries = entries.filter(np.asarray(entries["seed"]) == 0)
    laws = laws_of_entries(entries, 1, 1000)
    rows = csr_array(diags_array(laws.context_share**-0.5) @ laws.joint)
    np.testing.assert_allclose(count_weighted_w_error(laws), exact_spectrum(rows).w_error, atol=1e-7)


def test_languages_through_the_script(run_script, tmp_path):
    path = tmp_path / "languages.parquet"
    languages = LanguageOptions(ranks=[2, 3], dimensions=[1, 2, 3], contexts=15, vocabulary_size=12)
    params = {"languages": languages, "search": SearchOptions()}
    run_script("causes/softmax_rank_languages.py", output=[path], params=params)
    rows = read_table("softmax_rank_languages", path).to_pandas()
    assert rows.groupby("rank").dimension.max().to_dict() == {2: 2, 3: 3}
    claim = CLAIMS["the_search_finds_the_rank"]
    assert claim.row(HERE, {"softmax_rank_languages": rows})["verdict"] == "yes"
    worse = rows.assign(gap_nats=rows.gap_nats + 0.1)
    assert claim.row(HERE, {"softmax_rank_languages": worse})["verdict"] == "no"


def needed(**changed):
    row = {
        "corpus": "docs",
        "tokenizer": "bpe",
        "order": 5,
        "sample_size": "100000",
        "method": "search",
        "estimate": "frequency",
        "weighting": "count",
        "norm_bound": np.nan,
        "halving_dimension": 16.0,
        **{f"{name}_dimension": 16.0 for name in ("lenient", "softmax", "strict")},
        **{f"{name}_below": 8.0 for name in ("lenient", "softmax", "strict")},
    }
    return row | changed


def verdict(name, *rows):
    return CLAIMS[name].row(HERE, {"softmax_rank": pd.DataFrame(rows), "context": CONTEXT})["verdict"]


@pytest.mark.parametrize(
    ("halving", "expected"),
    [(16.0, "yes"), (8.0, "yes"), (33.0, "no"), (3.0, "no"), (20.0, "inconclusive"), (6.0, "inconclusive")],
)
def test_whether_w_error_is_what_a_softmax_needs(halving, expected):
    """From 8, not enough, to 16, enough: within a factor of 2 of W-error's, certainly less, certainly more."""
    assert verdict("w_error_is_what_a_softmax_needs", needed(halving_dimension=halving)) == expected
    others = {"corpus": "made"}, {"sample_size": "10"}, {"norm_bound": 3.0}, {"method": "construction"}
    others = [needed(**changed) for changed in (*others, {"estimate": "kneser_ney"})]
    assert verdict("w_error_is_what_a_softmax_needs", *others) == "not tested here"


@pytest.mark.parametrize(("halving", "expected"), [(33.0, "no"), (31.0, "inconclusive"), (np.nan, "not tested here")])
def test_whether_5_grams_need_their_rank(halving, expected):
    row = needed(method="construction", weighting="unit", halving_dimension=halving)
    assert verdict("softmax_needs_the_rank_of_5_grams", row, {**row, "order": 4}) == expected


@pytest.mark.parametrize(
    ("bounded", "below", "expected"), [(16.0, 8.0, "no"), (32.0, 16.0, "yes"), (np.nan, 64.0, "yes")]
)
def test_whether_bounded_norms_need_more(bounded, below, expected):
    row = needed(norm_bound=10.0, softmax_dimension=bounded, softmax_below=below)
    row |= {f"{name}_dimension": bounded for name in ("lenient", "strict")}
    assert verdict("bounded_norms_need_more_dimensions", needed(), row) == expected


def test_dimensions_that_suffice(tmp_path):
    base = {**KEYS, "seed": 0, "method": "search", "weighting": "count", "min_count": 3, "norm_bound": np.nan}
    base |= {"estimate": "frequency"}
    base |= {"contexts": 3, "types": 4, "one_hot_contexts": 0, "ngram_share": 0.5, "entropy_nats": 1.0}
    base |= {"unigram_gap_nats": 1.0, "halving_dimension": 3, "last_gain_nats": 0.1, "norm_product": 9.0}
    gaps = {1: 0.5, 2: 0.09, 4: 0.03, 8: 0.026}
    ranks = pd.DataFrame([{**base, "dimension": d, "gap_nats": gap} for d, gap in gaps.items()])
    whole = ranks.assign(method="construction", weighting="unit", min_count=1, halving_dimension=None)
    summary = pd.DataFrame([{**KEYS, "seed": 0, "weighting": "unit", "min_count": 1, "halving_dimension": 77}])
    table = table_softmax_rank(pd.concat([ranks, whole]), summary)
    first = table.iloc[0]
    assert first[["lenient_dimension", "lenient_below", "softmax_dimension", "softmax_below"]].tolist() == [2, 1, 4, 2]
    assert np.isnan(first.strict_dimension)
    assert first.strict_below == 8
    assert table.halving_dimension.tolist() == [3, 77]
    write_rows("softmax_rank", tmp_path / "none.parquet", [])
    nothing = table_softmax_rank(read_table("softmax_rank", tmp_path / "none.parquet").to_pandas(), summary)
    assert nothing.empty


def test_halving_by_search():
    assert smallest_dimension(np.array([0.9, 0.5, 0.1]), 0.5) == 2
