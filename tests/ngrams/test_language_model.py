import math

import numpy as np
import pytest

from lm_saturation.config.metrics import HeldOut
from lm_saturation.io.tables import read_table, write_tables
from lm_saturation.ngrams.language_model import loss_columns
from lm_saturation.text.splits import split_documents
from lm_saturation.text.token_files import open_tokens, write_tokens
from tests.ngrams.by_hand import BOS, EOS, PlainKneserNey, queried


@pytest.fixture
def rule(run_script, tmp_path):
    """documents of ids and their texts, of each shard -> the row of the table `language_model`."""

    def run(shards, texts, vocabulary_size=12, held_out=0.2, mem_mb=4000):
        for number, (documents, pieces) in enumerate(zip(shards, texts, strict=True)):
            arrays = [np.array(document, np.uint32) for document in documents]
            write_tokens(tmp_path / f"{number}.json", arrays, vocabulary_size, {"corpus": "c", "tokenizer": "t"})
            rows = [(d, p, text) for d, document in enumerate(pieces) for p, text in enumerate(document)]
            parts = [{"corpus": "c", "document": [d], "piece": [p], "text": [text]} for d, p, text in rows]
            write_tables("corpus_text", tmp_path / f"{number}.parquet", parts)
        run.log = run_script(
            "ngrams/ngram_language_model.py",
            input={
                "tokens": [tmp_path / f"{number}.json" for number in range(len(shards))],
                "texts": [tmp_path / f"{number}.parquet" for number in range(len(shards))],
            },
            output={"model": tmp_path / "model.arpa", "table": tmp_path / "language_model.parquet"},
            params={"held_out": holds_out(held_out)},
            wildcards={"corpus": "c", "tokenizer": "t"},
            mem_mb=mem_mb,
        )
        return read_table("language_model", tmp_path / "language_model.parquet").to_pylist()[0]

    return run


def holds_out(share, seed=0):
    return HeldOut(share=share, minimum_documents=1, seed=seed)


def some_shards(seed=0):
    """Two shards of documents over eleven ids, one of them rare, and texts of as many bytes as ten times the tokens."""
    rng = np.random.default_rng(seed)
    law = np.array([1 / 2**k for k in range(10)])
    shards = [[rng.choice(10, rng.integers(1, 60), p=law / law.sum()).tolist() for _ in range(10)] for _ in range(2)]
    shards[0][0].append(10)
    texts = [[["é" * 4 * len(document), "ab" * len(document)] for document in documents] for documents in shards]
    return shards, texts


def loss_by_hand(train, test, vocabulary_size):
    """Nats of each test document: the sum over tokens of -ln P, <unk> shared by the unseen ids of the tokenizer."""
    plain = PlainKneserNey(train)
    unseen = vocabulary_size - len(plain.types - {EOS})
    losses = []
    for document in test:
        padded, nats = [BOS, *document], 0.0
        for place in range(1, len(padded)):
            p = plain.probability(padded[max(0, place - 4) : place], padded[place])
            nats -= math.log(p if padded[place] in plain.types else p / unseen)
        losses.append(nats)
    return losses


def split_by_hand(tmp_path, shards, share):
    split = split_documents(
        [open_tokens(tmp_path / f"{number}.json") for number in range(len(shards))], holds_out(share)
    )
    documents = [document for documents in shards for document in documents]
    train = [document for document, held in zip(documents, split.held_out, strict=True) if not held]
    return train, [document for document, held in zip(documents, split.held_out, strict=True) if held]


@pytest.mark.parametrize("seed", range(4))
def test_loss_equals_that_by_hand(rule, tmp_path, seed):
    shards, texts = some_shards(seed)
    row = rule(shards, texts)
    train, test = split_by_hand(tmp_path, shards, 0.2)
    losses, tokens = loss_by_hand(train, test, 12), sum(map(len, test))
    assert len(test) == 4
    assert row["train_tokens"] == sum(map(len, train))
    assert row["held_out_tokens"] == tokens
    assert row["held_out_bytes"] == 10 * tokens
    seen = {token for document in train for token in document}
    assert row["unseen_tokens"] == sum(token not in seen for document in test for token in document)
    assert row["cross_entropy_nats"] == pytest.approx(sum(losses) / tokens, abs=1e-5)
    assert row["perplexity"] == pytest.approx(math.exp(sum(losses) / tokens), rel=1e-5)
    assert row["bits_per_byte"] == pytest.approx(sum(losses) / math.log(2) / (10 * tokens), abs=1e-6)


def test_ids_never_seen_share_what_unknown_words_have(rule, tmp_path):
    shards, texts = some_shards()
    row = rule(shards, texts, held_out=0.95)
    train, test = split_by_hand(tmp_path, shards, 0.95)
    assert row["unseen_tokens"] > 1
    nats = sum(loss_by_hand(train, test, 12))
    assert row["cross_entropy_nats"] == pytest.approx(nats / row["held_out_tokens"], abs=1e-5)


def test_standard_error_is_that_of_a_ratio():
    rng = np.random.default_rng(0)
    entropies, errors = [], []
    for _ in range(400):
        lengths = rng.integers(1, 100, 200)
        losses = lengths * rng.normal(3, 0.5, 200)
        columns = loss_columns(losses, lengths, 1)
        entropies.append(columns["cross_entropy_nats"])
        errors.append(columns["cross_entropy_standard_error"])
    assert np.mean(errors) == pytest.approx(np.std(entropies), rel=0.1)
    assert loss_columns(np.array([3.0]), np.array([2]), 1)["cross_entropy_standard_error"] is None


def test_a_single_document_is_cut(rule):
    document = [1, 2, 3, 4, 5] * 20
    row = rule([[document]], [[["x" * 300]]])
    assert (row["train_tokens"], row["held_out_tokens"], row["held_out_bytes"]) == (80, 20, 60)
    assert row["cross_entropy_standard_error"] is None
    assert row["cross_entropy_nats"] == pytest.approx(
        loss_by_hand([document[:80]], [document[80:]], 12)[0] / 20, abs=1e-5
    )


def test_tables_of_other_documents_are_refused(rule):
    shards, texts = some_shards()
    with pytest.raises(SystemExit, match="the corpus has 19 documents, its token files 20"):
        rule(shards, [texts[0], texts[1][:-1]])


def test_a_shard_may_be_empty(rule):
    shards, texts = some_shards()
    assert rule([*shards, []], [*texts, []]) == rule(shards, texts)


def test_too_little_memory_is_said(rule):
    shards, texts = some_shards()
    with pytest.raises(SystemExit, match=r"ngrams\.memory_mb is 400"):
        rule(shards, texts, mem_mb=400)


@pytest.mark.parametrize("chunk", [3, 1 << 18])
def test_loss_equals_kenlms_of_the_file(rule, tmp_path, monkeypatch, chunk):
    monkeypatch.setattr("lm_saturation.ngrams.language_model.CHUNK", chunk)
    shards, texts = some_shards()
    row = rule(shards, texts)
    train, test = split_by_hand(tmp_path, shards, 0.2)
    scores = [score for document in test for score in queried(tmp_path / "model.arpa", document)[:-1]]
    unseen = 12 - len({token for document in train for token in document})
    nats = sum(math.log(unseen) * unknown - math.log(10) * log10 for log10, unknown in scores)
    assert len(scores) == row["held_out_tokens"]
    assert row["cross_entropy_nats"] == pytest.approx(nats / len(scores), abs=1e-5)
