"""Laws of a Kneser–Ney model for frequent contexts, against the model written with dictionaries."""

import numpy as np
import pytest

from lm_saturation.config.causes import SoftmaxRankOptions
from lm_saturation.config.metrics import HeldOut
from lm_saturation.config.ngrams import NgramSample
from lm_saturation.io.tables import read_table, write_tables
from lm_saturation.ngrams.kneser_ney import estimate
from lm_saturation.ngrams.matrix import matrix_parts
from lm_saturation.ngrams.smoothed_gram import smoothed_spectrum
from lm_saturation.ngrams.spectrum import w_error
from lm_saturation.softmax_rank.smoothed_laws import smoothed_laws, smoothed_rows
from lm_saturation.text.splits import split_documents
from lm_saturation.text.token_files import open_tokens, write_tokens
from tests.config.defaults import DEFAULT
from tests.ngrams.by_hand import EOS, PlainKneserNey

TYPES = 9  # of 10 ids, one is never seen
HELD_OUT = HeldOut(share=0.1, minimum_documents=1)
KEYS = {"corpus": "c", "tokenizer": "t", "order": "3", "sample_size": "all"}


def rows_by_hand(documents, contexts):
    """P, row by row: <unk> shared equally by the ids unseen, without </s>, scaled to sum to 1."""
    plain = PlainKneserNey(documents)
    unseen = TYPES + 1 - len(plain.types - {EOS})
    rows = np.array(
        [[plain.probability(c, word) / (1 if word in plain.types else unseen) for word in range(TYPES + 1)]
         for c in contexts]
    )  # fmt: skip
    return rows / rows.sum(1, keepdims=True)


@pytest.fixture
def text(tmp_path):
    """A text of Zipf's law, its sample of trigrams and W."""
    rng = np.random.default_rng(0)
    law = 1 / np.arange(1, TYPES + 1)
    documents = [rng.choice(TYPES, 60, p=law / law.sum()).astype(np.uint16) for _ in range(10)]
    write_tokens(tmp_path / "0.json", documents, TYPES + 1, {"corpus": "c", "tokenizer": "t"})
    grams = np.concatenate([np.lib.stride_tricks.sliding_window_view(document, 3) for document in documents])
    grams, count = np.unique(grams, axis=0, return_counts=True)
    columns = {"context_1": grams[:, 0], "context_2": grams[:, 1], "next_token": grams[:, 2], "count": count}
    columns |= {f"context_{i}": np.full(len(grams), None) for i in (3, 4)}
    write_tables("ngram_counts", tmp_path / "counts.parquet", [{**KEYS, "order": 3, "seed": 0, **columns}])
    keys = {**KEYS, "order": 3}
    write_tables("ngram_matrix", tmp_path / "matrix.parquet", matrix_parts([tmp_path / "counts.parquet"], keys))
    train = split_documents([open_tokens(tmp_path / "0.json")], HELD_OUT).train
    return grams, count, train


def frequent(grams, count, least):
    """(n, 2) the contexts seen so often, in order, and how often."""
    contexts, place = np.unique(grams[:, :2], axis=0, return_inverse=True)
    seen = np.bincount(place, count).astype(int)
    return contexts[seen >= least], seen[seen >= least]


def test_laws_are_those_of_the_model(text, tmp_path):
    grams, count, train = text
    model = estimate(train.ids, train.ends, TYPES + 1)
    counts, entries = (read_table(f"ngram_{name}", tmp_path / f"{name}.parquet") for name in ("counts", "matrix"))
    laws = smoothed_laws(model, counts, entries, 12, 1000)
    contexts, seen = frequent(grams, count, 12)
    assert 3 < len(contexts) < 20
    documents = [document.tolist() for document in np.split(train.ids, train.ends[:-1])]
    expected = rows_by_hand(documents, contexts.tolist())
    np.testing.assert_allclose(laws.joint.toarray(), expected * seen[:, None] / seen.sum(), rtol=1e-6)
    assert laws.counted == pytest.approx(seen.sum())
    assert smoothed_laws(model, counts, entries, 10**6, 1000) is None


def test_their_w_error_is_that_of_stage_ngrams(text):
    grams, _, train = text
    model = estimate(train.ids, train.ends, TYPES + 1)
    contexts = np.unique(grams[:, :2], axis=0).astype(np.int64)
    values = np.linalg.svd(smoothed_rows(model, contexts), compute_uv=False)
    np.testing.assert_allclose(w_error(values), smoothed_spectrum(model, contexts).w_error, atol=1e-7)


def test_rows_of_the_rule(text, run_script, tmp_path):
    options = SoftmaxRankOptions(min_count=12, dimensions=[1, 2], norm_products=[], iterations=40)
    run_script(
        "causes/softmax_rank.py",
        input={
            "matrix": tmp_path / "matrix.parquet",
            "counts": [tmp_path / "counts.parquet"],
            "tokens": [tmp_path / "0.json"],
        },
        output=[tmp_path / "ranks.parquet"],
        params={"options": options, "smoothed": options, "held_out": HELD_OUT, "seed": 0},
        wildcards=KEYS,
    )
    rows = read_table("softmax_rank", tmp_path / "ranks.parquet").to_pandas()
    searched = rows[rows.method == "search"].set_index(["estimate", "dimension"])
    frequency, smoothed = searched.loc["frequency"], searched.loc["kneser_ney"]
    assert smoothed.index.tolist() == frequency.index.tolist() == [1, 2]
    for column in ("contexts", "ngram_share"):
        np.testing.assert_allclose(smoothed[column], frequency[column])
    assert (smoothed.types == TYPES + 1).all()
    assert (smoothed.one_hot_contexts == 0).all()
    assert (smoothed.entropy_nats > frequency.entropy_nats).all()
    assert smoothed.gap_nats.is_monotonic_decreasing
    assert (rows[rows.method == "construction"].estimate == "frequency").all()


def test_which_samples_have_them():
    found = DEFAULT.smoothed_search(NgramSample("python-docs", "bpe-4k", "5", "100000"))
    assert (found.norm_products, found.dimensions) == ([], DEFAULT.causes.smoothed.dimensions)
    assert found.contexts == DEFAULT.causes.contexts
    for order, size in (("4", "100000"), ("5", "10000")):
        assert DEFAULT.smoothed_search(NgramSample("python-docs", "bpe-4k", order, size)) is None
