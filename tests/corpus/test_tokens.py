import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from scripts.common.jobs import InputError
from scripts.common.token_files import open_tokens
from scripts.common.tokenizer_files import load_tokenizer, vocabulary_size
from scripts.corpus.corpus import write_corpus
from scripts.corpus.tokenizer import train_tokenizer

PYTHIA = Path(__file__).resolve().parents[3] / "shared" / "data" / "pythia-tokenizer.json"
TEXTS = ["The cat sat on the mat.\nThe cat sat.", "Zwölf Boxkämpfer jagen Viktor.", "the end"]


@pytest.fixture
def corpus(tmp_path):
    write_corpus("c", [[text] for text in TEXTS], tmp_path / "c.parquet")
    return tmp_path / "c.parquet"


def tokens_of(run_script, corpus, tokenizer, tmp_path):
    run_script(
        "corpus/tokens.py",
        input={"corpus": corpus, "tokenizer": tokenizer},
        output={"record": tmp_path / "t.json"},
        wildcards={"corpus": "c", "tokenizer": "t"},
    )
    return open_tokens(tmp_path / "t.json")


def documents_of(tokens):
    return [tokens.ids[start:end].tolist() for start, end in zip([0, *tokens.ends], tokens.ends, strict=False)]


def test_trained_tokenizer_round_trip(run_script, corpus, tmp_path):
    definition = {"source": "train", "algorithm": "byte-bpe", "vocabulary_size": 280, "corpora": ["c"]}
    run_script(
        "corpus/tokenizer.py",
        input={"corpora": [str(corpus)], "local": []},
        output=[tmp_path / "tokenizer.json"],
        params={"definition": definition},
    )
    tokens = tokens_of(run_script, corpus, tmp_path / "tokenizer.json", tmp_path)
    assert tokens.vocabulary_size == 280
    assert tokens.ids.dtype.itemsize == 2
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert [tokenizer.decode(ids) for ids in documents_of(tokens)] == TEXTS


def test_pieces_of_a_document_are_joined(run_script, tmp_path, monkeypatch):
    text = "\n".join(f"line {i} of the text" for i in range(500))
    write_corpus("c", [[text], ["other"]], tmp_path / "whole.parquet")
    cut_at = text.index("\n", 4000) + 1
    monkeypatch.setattr(
        "scripts.corpus.corpus.cut", lambda pieces: filter(None, ["".join(pieces)[:cut_at], "".join(pieces)[cut_at:]])
    )
    write_corpus("c", [[text], ["other"]], tmp_path / "cut.parquet")
    train_tokenizer("byte-bpe", 300, [str(tmp_path / "whole.parquet")]).save(str(tmp_path / "tokenizer.json"))
    whole = documents_of(tokens_of(run_script, tmp_path / "whole.parquet", tmp_path / "tokenizer.json", tmp_path))
    pieces = documents_of(tokens_of(run_script, tmp_path / "cut.parquet", tmp_path / "tokenizer.json", tmp_path))
    assert whole == pieces
    assert len(whole) == 2


def test_words(run_script, corpus, tmp_path):
    train_tokenizer("word", 4, [str(corpus)]).save(str(tmp_path / "tokenizer.json"))
    tokens = tokens_of(run_script, corpus, tmp_path / "tokenizer.json", tmp_path)
    assert tokens.vocabulary_size == 4
    vocabulary = load_tokenizer(tmp_path / "tokenizer.json").get_vocab()
    assert tokens.ids[:2].tolist() == [vocabulary["The"], vocabulary["cat"]]
    assert vocabulary["[UNK]"] in tokens.ids


def test_truncation_of_a_local_tokenizer_is_switched_off(corpus, tmp_path, run_script):
    tokenizer = train_tokenizer("byte-bpe", 280, [str(corpus)])
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=50)
    tokenizer.save(str(tmp_path / "mine.json"))
    run_script(
        "corpus/tokenizer.py",
        input={"corpora": [], "local": str(tmp_path / "mine.json")},
        output=[tmp_path / "tokenizer.json"],
        params={"definition": {"source": "local", "path": "mine.json"}},
    )
    tokens = tokens_of(run_script, corpus, tmp_path / "tokenizer.json", tmp_path)
    assert Tokenizer.from_file(str(tmp_path / "tokenizer.json")).decode(documents_of(tokens)[0]) == TEXTS[0]


@pytest.mark.parametrize("content", ["", "{}", '{"version": "1.0", "model": 5}', "not json"])
def test_malformed_tokenizer_is_named(tmp_path, content):
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(InputError, match=r"tokenizer\.json: not a tokenizer\.json") as caught:
        load_tokenizer(tmp_path / "tokenizer.json")
    assert "\n" not in str(caught.value)


def test_ids_with_gaps_count_to_the_largest(corpus, tmp_path):
    tokenizer = train_tokenizer("word", 6, [str(corpus)])
    model = json.loads(tokenizer.to_str())
    model["model"]["vocab"]["far"] = 70000
    (tmp_path / "gaps.json").write_text(json.dumps(model))
    assert vocabulary_size(load_tokenizer(tmp_path / "gaps.json")) == 70001


@pytest.mark.skipif(not PYTHIA.is_file(), reason="Pythia's tokenizer.json is not at ../shared/data")
def test_english_with_pythias_tokenizer(run_script, corpus, tmp_path):
    tokens = tokens_of(run_script, corpus, PYTHIA, tmp_path)
    assert tokens.vocabulary_size == 50277
    reference = Tokenizer.from_file(str(PYTHIA))
    assert documents_of(tokens) == [reference.encode(text).ids for text in TEXTS]
