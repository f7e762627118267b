"""The rules from token files to spectra, each script as Snakemake runs it, against W made by hand."""

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tokenizers import Tokenizer

from lm_saturation.config.ngrams import MatrixVariant, SpectrumOptions
from lm_saturation.io.tables import read_table
from lm_saturation.ngrams import counting
from lm_saturation.text.standard_library import python_docs
from lm_saturation.text.synthetic_language import SyntheticLanguage
from lm_saturation.text.token_files import write_tokens

PYTHIA = Path(__file__).resolve().parents[3] / "shared" / "data" / "pythia-tokenizer.json"
TABLES = ("spectrum", "summary", "components")


@pytest.fixture
def pipeline(run_script, tmp_path):
    """documents of ids -> the tables ngram_counts, ngram_matrix, ngram_spectrum, ngram_summary, ngram_components."""

    def run(
        documents,
        vocabulary_size,
        sample_size="all",
        order=5,
        seeds=(0,),
        min_counts=(),
        cross_documents=False,
        exact_limit=1000,
    ):
        variants = [MatrixVariant("unit", 1), MatrixVariant("count", 1)]
        variants += [MatrixVariant("unit", count) for count in min_counts]
        options = SpectrumOptions(exact_limit=exact_limit, tolerance=0.02)
        keys = {"corpus": "c", "tokenizer": "t", "order": str(order), "sample_size": sample_size}
        files = {name: tmp_path / f"{name}.parquet" for name in ("counts", "matrix", *TABLES)}
        record = write_shard(tmp_path / "0.json", documents, vocabulary_size)
        run_script(
            "ngrams/ngram_counts.py",
            input=[record],
            output=[files["counts"]],
            params={"cross_documents": cross_documents, "seeds": list(seeds)},
            wildcards={**keys, "partition": "0"},
        )
        run_script("ngrams/ngram_matrix.py", input=[files["counts"]], output=[files["matrix"]], wildcards=keys)
        run.log = run_script(
            "ngrams/ngram_spectrum.py",
            input={"matrix": files["matrix"], "record": record},
            output={name: files[name] for name in TABLES},
            params={"variants": variants, "options": options},
            wildcards=keys,
            threads=2,
        )
        return {name: read_table(f"ngram_{name}", path).to_pandas() for name, path in files.items()}

    return run


def write_shard(record, documents, vocabulary_size):
    arrays = [np.array(document, np.uint32) for document in documents]
    write_tokens(record, arrays, vocabulary_size, {"corpus": "c", "tokenizer": "t"})
    return record


@pytest.mark.parametrize("order", [2, 5])
def test_shards_merged_by_partition_equal_the_corpus(run_script, tmp_path, monkeypatch, order):
    monkeypatch.setattr(counting, "PART", 64)  # several parts a table
    documents = some_documents(documents=7, vocabulary_size=40)
    keys = {"corpus": "c", "tokenizer": "t", "order": str(order)}
    shards, partitions = ([tmp_path / f"{name}{n}.parquet" for n in range(3)] for name in ("shard", "partition"))
    for number, table in enumerate(shards):
        record = write_shard(tmp_path / f"{number}.json", documents[number::3], 40)
        run_script(
            "ngrams/ngram_shard.py",
            input=[record],
            output=[table],
            params={"seeds": [0]},
            wildcards={**keys, "shard": str(number)},
        )
    for number, table in enumerate(partitions):
        run_script(
            "ngrams/ngram_merge.py",
            input=shards,
            output=[table],
            params={"seeds": [0]},
            wildcards={**keys, "partition": str(number)},
        )
    merged = [read_table("ngram_counts", table).to_pandas() for table in partitions]
    assert min(map(len, merged)) > 0
    columns = [f"context_{i}" for i in range(1, order)] + ["next_token"]
    frame = pd.concat(merged)
    counts = dict(zip(frame[columns].itertuples(index=False, name=None), frame["count"], strict=True))
    windows = [tuple(d[i : i + order]) for d in documents for i in range(len(d) - order + 1)]
    assert counts == dict(Counter(windows))
    assert list(counts) == sorted(counts)
    run_script(
        "ngrams/ngram_matrix.py",
        input=partitions,
        output=[tmp_path / "matrix.parquet"],
        wildcards={**keys, "sample_size": "all"},
    )
    entries = read_table("ngram_matrix", tmp_path / "matrix.parquet").to_pandas()
    matrix = np.zeros((entries.row.max() + 1, 40))
    matrix[entries.row, entries.next_token] = entries.probability
    np.testing.assert_allclose(matrix, matrix_by_hand(documents, 40, order))


def test_merging_more_shards_than_memory_allows_is_one_line(run_script, tmp_path):
    with pytest.raises(SystemExit, match=r"error: ngrams.memory_mb is 1000; merging 100 shards takes 3856: allow more"):
        run_script(
            "ngrams/ngram_merge.py",
            input=["x"] * 100,
            output=[tmp_path / "out.parquet"],
            params={"seeds": [0]},
            wildcards={"corpus": "c", "tokenizer": "t", "order": "5", "partition": "0"},
            mem_mb=1000,
        )


def matrix_by_hand(documents, vocabulary_size, order=5, min_count=1, weighting="unit"):
    followers = defaultdict(Counter)
    for document in documents:
        for i in range(len(document) - order + 1):
            *context, next_token = document[i : i + order]
            followers[tuple(context)][next_token] += 1
    rows = []
    for context in sorted(followers):
        total = followers[context].total()
        row = np.zeros(vocabulary_size)
        for token, count in followers[context].items():
            row[token] = count / total * (np.sqrt(total) if weighting == "count" else 1)
        if total >= min_count:
            rows.append(row)
    return np.array(rows)


def some_documents(seed=0, documents=6, length=300, vocabulary_size=12):
    rng = np.random.default_rng(seed)
    law = 1 / np.arange(1, vocabulary_size + 1)
    return [rng.choice(vocabulary_size, length, p=law / law.sum()).tolist() for _ in range(documents)]


@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_matrix_and_spectrum_equal_those_by_hand(pipeline, order):
    documents = some_documents()
    tables = pipeline(documents, 12, order=order, min_counts=[2, 5])
    matrix = np.zeros_like(matrix_by_hand(documents, 12, order))
    matrix[tables["matrix"].row, tables["matrix"].next_token] = tables["matrix"].probability
    np.testing.assert_allclose(matrix, matrix_by_hand(documents, 12, order), rtol=1e-12)
    for (weighting, min_count), spectrum in tables["spectrum"].groupby(["weighting", "min_count"], observed=True):
        by_hand = matrix_by_hand(documents, 12, order, min_count, weighting)
        values = np.linalg.svd(by_hand[:, by_hand.any(0)], compute_uv=False)
        singular_values = spectrum.singular_value.to_numpy()
        np.testing.assert_allclose(singular_values[: len(values)], values, atol=1e-7)
        tail = np.sqrt(np.maximum(0, 1 - np.cumsum(values**2) / (values**2).sum()))
        np.testing.assert_allclose(spectrum.w_error.to_numpy()[: len(values)], tail, atol=1e-7)


def test_summary_by_hand(pipeline):
    documents = some_documents()
    tables = pipeline(documents, 12, min_counts=[2])
    for row in tables["summary"].itertuples():
        by_hand = matrix_by_hand(documents, 12, 5, row.min_count, row.weighting)
        plain = matrix_by_hand(documents, 12, 5, row.min_count)
        assert row.contexts == len(by_hand)
        assert row.one_hot_contexts == ((plain == 1).any(1)).sum()
        assert row.types == by_hand.any(0).sum()
        assert row.rank == np.linalg.matrix_rank(by_hand)
        assert row.frobenius_norm == pytest.approx(np.linalg.norm(by_hand))
        values = np.linalg.svd(by_hand, compute_uv=False) ** 2
        errors = np.sqrt(1 - np.cumsum(values) / values.sum() + 1e-15)
        assert row.halving_dimension == 1 + np.argmax(errors <= 0.5)
    assert set(tables["summary"].weighting) == {"unit", "count"}
    sizes = tables["components"]
    counted = (sizes.component_size * sizes.components).groupby([sizes.weighting, sizes.min_count], observed=True).sum()
    assert sorted(counted) == sorted(tables["summary"].types)


def test_unigram_baseline_counts_last_tokens(pipeline):
    documents = some_documents()
    tables = pipeline(documents, 12)
    last = Counter(document[i + 4] for document in documents for i in range(len(document) - 4))
    shares = np.cumsum([count for _, count in last.most_common()]) / last.total()
    unit = tables["spectrum"][tables["spectrum"].weighting == "unit"]
    np.testing.assert_allclose(unit.unigram_w_error, np.sqrt(np.maximum(0, 1 - shares)), atol=1e-7)


def test_spectra_do_not_depend_on_how_the_matrix_is_cut_into_parts(pipeline, monkeypatch):
    documents, options = some_documents(vocabulary_size=40), {"sample_size": "1200", "seeds": [3, 4], "min_counts": [2]}
    whole = pipeline(documents, 40, order=3, **options)
    monkeypatch.setattr(counting, "PART", 64)
    parts = pipeline(documents, 40, order=3, **options)
    assert set(whole["summary"].seed) == {3, 4}
    for name in TABLES:
        pd.testing.assert_frame_equal(whole[name], parts[name], rtol=1e-9, atol=1e-7)


@pytest.mark.parametrize("order", [2, 5])
def test_above_the_limit_w_error_is_bracketed(pipeline, order):
    documents = some_documents(vocabulary_size=40)
    exact, bracketed = (pipeline(documents, 40, order=order, exact_limit=limit) for limit in (40, 10))
    truth, bounds = exact["spectrum"], bracketed["spectrum"]
    assert set(truth.method) == {"exact"}
    assert set(bounds.method) <= {"bracket", "lanczos"}
    assert bounds.singular_value.isna().all()
    assert (bounds.w_error_low**2 <= truth.w_error**2 + 1e-12).all()
    assert (bounds.w_error_high**2 >= truth.w_error**2 - 1e-12).all()
    assert (bounds.w_error.between(bounds.w_error_low, bounds.w_error_high)).all()
    np.testing.assert_array_equal(bounds.method == "lanczos", bounds.w_error_high - bounds.w_error_low > 0.02)
    np.testing.assert_allclose(bounds.column_norm_w_error, truth.column_norm_w_error)
    for row in bracketed["summary"].itertuples():
        spectrum = bounds[bounds.weighting == row.weighting]
        assert row.method == max(spectrum.method, key=["exact", "bracket", "lanczos"].index)
        assert row.bracket == (spectrum.w_error_high - spectrum.w_error_low).max()
        assert row.column_norm_gap == pytest.approx((spectrum.column_norm_w_error - spectrum.w_error).max())
    assert bracketed["summary"]["rank"].isna().all()
    assert (exact["summary"].bracket == 0).all()


def test_seeds_give_different_samples_of_the_right_size(pipeline):
    tables = pipeline(some_documents(), 12, sample_size="500", seeds=[3, 4])
    assert tables["counts"].groupby("seed")["count"].sum().to_dict() == {3: 500, 4: 500}
    summary = tables["summary"][tables["summary"].weighting == "unit"]
    assert summary.seed.tolist() == [3, 4]
    assert summary.contexts.iloc[0] != summary.contexts.iloc[1]


def test_crossing_documents_is_a_choice(pipeline):
    documents = [[1, 2, 3, 4], [5, 6]]
    with pytest.raises(SystemExit, match="error: corpus c: no 5-gram in it, its longest document has 4 tokens"):
        pipeline(documents, 10)
    assert len(pipeline(documents, 10, cross_documents=True)["counts"]) == 2


@pytest.mark.parametrize(("documents", "longest"), [([], 0), ([[]], 0), ([[3]], 1), ([[1, 2, 3, 4]], 4)])
def test_too_little_text_is_one_clear_line(pipeline, documents, longest):
    message = f"error: corpus c: no 5-gram in it, its longest document has {longest} tokens"
    with pytest.raises(SystemExit, match=message):
        pipeline(documents, 10)


def test_one_repeated_token(pipeline):
    tables = pipeline([[7] * 100], 10, min_counts=[50, 100])
    assert tables["spectrum"].groupby(["weighting", "min_count"], observed=True).singular_value.first().to_dict() == {
        ("unit", 1): 1.0,
        ("unit", 50): 1.0,
        ("count", 1): pytest.approx(np.sqrt(96)),
    }
    assert "no context is seen 100 times" in pipeline.log


def test_exact_counts_of_a_language_give_exactly_its_rank(pipeline):
    """Counts proportional to the truth, so no sampling noise: every document is one 5-gram."""
    rows = np.array([[6, 3, 2, 1], [1, 2, 3, 6], [4, 4, 2, 2]])  # of 12; rank 3
    truth = np.array([rows[sum(context) % 3] for context in np.ndindex(4, 4, 4, 4)])
    documents = [
        [*context, token]
        for context, counts in zip(np.ndindex(4, 4, 4, 4), truth, strict=True)
        for token in range(4)
        for _ in range(counts[token])
    ]
    tables = pipeline(documents, 4)
    unit = tables["spectrum"][tables["spectrum"].weighting == "unit"].singular_value.to_numpy()
    np.testing.assert_allclose(unit, np.linalg.svd(truth / 12, compute_uv=False), atol=1e-6)
    assert unit[3] == 0
    assert tables["summary"]["rank"].tolist() == [3, 3]


def test_the_rank_of_a_sampled_language_is_found(pipeline):
    """The singular values are those of the true matrix plus those of sampling noise, and three stand above the noise.

    A row of n counts, scaled by sqrt(n), has noise of covariance diag(p) - ppᵀ whatever n is. So to first order the
    i-th eigenvalue of WᵀW is tokens · σ_i² + v_iᵀ N v_i, with σ and v of the true matrix and N the sum of the
    covariances over contexts; beside the true row space N alone is left.
    """
    language, tokens = SyntheticLanguage(8, 3, seed=5), 3_000_000
    tables = pipeline([language.sample(tokens, document=0)], 8)
    singular_values = tables["spectrum"][tables["spectrum"].weighting == "count"].singular_value.to_numpy()
    rows = language.conditional[language.states(np.array(list(np.ndindex(8, 8, 8, 8))))]
    noise = np.diag(rows.sum(0)) - rows.T @ rows
    _, values, vectors = np.linalg.svd(np.sqrt(language.state_probability)[:, None] * language.conditional)
    signal = np.sqrt(tokens * values**2 + np.einsum("ij,jk,ik->i", vectors[:3], noise, vectors[:3]))
    np.testing.assert_allclose(singular_values[:3], signal, rtol=0.02)
    edge = np.sqrt(np.linalg.eigvalsh(vectors[3:] @ noise @ vectors[3:].T)[-1])
    assert singular_values[3] == pytest.approx(edge, rel=0.05)
    assert (singular_values > 1.5 * edge).sum() == 3


@pytest.mark.skipif(not PYTHIA.is_file(), reason="Pythia's tokenizer.json is not at ../shared/data")
def test_english_in_pythias_vocabulary(pipeline):
    tokenizer = Tokenizer.from_file(str(PYTHIA))
    texts = [text for _, text in zip(range(300), python_docs(), strict=False)]
    documents = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    tables = pipeline(documents, 50277, sample_size="3000", seeds=[1])
    summary = tables["summary"].iloc[0]
    assert (summary.vocabulary_size, summary.ngrams) == (50277, 3000)
    dense = np.zeros((summary.contexts, 50277))
    dense[tables["matrix"].row, tables["matrix"].next_token] = tables["matrix"].probability
    values = np.linalg.svd(dense[:, dense.any(0)], compute_uv=False)
    unit = tables["spectrum"][tables["spectrum"].weighting == "unit"]
    np.testing.assert_allclose(unit.singular_value, values, atol=1e-7)
