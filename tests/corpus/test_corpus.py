import hashlib
import json
import platform

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from lm_saturation.errors import InputError
from lm_saturation.io.tables import read_parts, read_table
from lm_saturation.text.corpus import BYTES_PER_TOKEN, PIECE, cut_pieces, write_corpus
from lm_saturation.text.sources.local import Local
from lm_saturation.text.sources.python_library import PythonDocs
from lm_saturation.text.sources.synthetic import Synthetic
from lm_saturation.text.standard_library import python_docs, python_source


def test_table_and_record(tmp_path):
    documents = [["one ", "text"], [], [""], ["zwö\ud800lf"]]
    record = write_corpus("c", documents, tmp_path / "c.parquet")
    frame = read_table("corpus_text", tmp_path / "c.parquet").to_pandas()
    assert frame.text.tolist() == ["one text", "zwö?lf"]
    assert frame.document.tolist() == [0, 1]
    assert record == {
        "documents": 2,
        "characters": 14,
        "bytes": 15,
        "sha256": hashlib.sha256("one text\0zwö?lf\0".encode()).hexdigest(),
    }


@pytest.mark.parametrize("documents", [[], [[]], [["", ""], [""]]])
def test_no_text_is_an_error(tmp_path, documents):
    with pytest.raises(InputError, match=r"corpora\.c: there is no text in it"):
        write_corpus("c", documents, tmp_path / "c.parquet")
    assert not list(tmp_path.iterdir())


def test_an_empty_shard_may_be(tmp_path):
    record = write_corpus("c", [[""]], tmp_path / "c.parquet", may_be_empty=True)
    assert record["documents"] == 0
    assert list(read_parts("corpus_text", tmp_path / "c.parquet", ["text"])) == []


def test_text_is_read_up_to_the_maximum_bytes(tmp_path):
    def documents():
        yield ["ab"]
        yield iter(["ä" * PIECE, "x" * 3 * PIECE, "never read"])
        raise AssertionError("read too far")

    record = write_corpus("c", documents(), tmp_path / "c.parquet", 2.5 * PIECE)
    assert record["documents"] == 2
    assert 2.5 * PIECE <= record["bytes"] < 5 * PIECE
    assert write_corpus("d", [["ab"], ["cd"]], tmp_path / "d.parquet", 2)["documents"] == 1


def test_a_piece_of_any_length_is_cut_at_the_same_places():
    """And in one pass: copying the rest at each of 200,000 cuts would take minutes."""
    text = "some words\nand lines " * 400_000
    parts = list(cut_pieces([text], 40))
    assert "".join(parts) == text
    assert max(map(len, parts)) <= 80
    assert parts == list(cut_pieces((text[at : at + 1000] for at in range(0, len(text), 1000)), 40))


@given(st.lists(st.text(alphabet="ab .\n", max_size=30), max_size=8), st.integers(1, 20))
def test_cutting_loses_nothing(pieces, longest):
    parts = list(cut_pieces(pieces, longest))
    assert "".join(parts) == "".join(pieces)
    assert all(0 < len(part) <= 2 * longest + 1 for part in parts)


words = st.sampled_from(["ab", "a1.", "'s", "é", "b\n\na", "a  b", "\tb", ".\n ", "aab"])


@settings(max_examples=200, deadline=None)
@given(st.lists(words | st.sampled_from([" ", "\n"]), min_size=20, max_size=60), st.integers(10, 30))
def test_cutting_at_safe_places_does_not_change_tokens(parts, longest):
    text = "x ab ".join(parts)  # so that a safe place is never far
    pieces = list(cut_pieces([text], longest))
    assert len(pieces) > 1
    assert [token for piece in pieces for token in TOKENIZER.encode(piece).ids] == TOKENIZER.encode(text).ids


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(["ab ab\n\nab. a1 b'a\n ab", "aa bb\n\n\nab  ab .\n"] * 9, trainer)
    return tokenizer


TOKENIZER = byte_level()


def test_python_corpora_are_prose_and_program():
    docs, source = list(python_docs()), list(python_source())
    assert len(docs) > 3000
    assert sum(map(len, source)) > 5e6
    assert any(text.startswith("Return the absolute value") for text in docs)  # built in, written in C
    assert any("The :mod:`" not in text and "lambda" in text for text in docs[:90])  # a topic of pydoc
    assert any(text.startswith("Spawn multiple") or "Text wrapping" in text for text in docs)
    assert len(set(docs)) == len(docs)
    assert any("def shorten(" in text for text in source)


def run_corpus(run_script, folder, source, shard=0, shards=1, files=()):
    """Run the rule's script; its log, the documents' texts and the record."""
    output = {"table": folder / f"{shard}.parquet", "record": folder / f"{shard}.json"}
    log = run_script(
        "corpus/corpus.py",
        input=files,
        output=output,
        params={"source": source, "shards": shards},
        wildcards={"corpus": "c", "shard": str(shard)},
    )
    parts = read_parts("corpus_text", output["table"], ["text"])
    return log, [text for part in parts for text in part["text"].to_pylist()], json.loads(output["record"].read_text())


def test_script_writes_table_and_record(run_script, tmp_path):
    _, texts, record = run_corpus(run_script, tmp_path, PythonDocs(source="python-docs", max_documents=5))
    assert record["python"].endswith(platform.python_version())
    assert record["documents"] == len(texts) == 5
    assert (record["shard"], record["shards"]) == (0, 1)


SYNTHETIC = Synthetic(source="synthetic", vocabulary_size=9, rank=2, tokens=95)


@pytest.mark.parametrize("limit", [None, 7])
def test_shard_n_of_m_has_every_m_th_document(run_script, tmp_path, limit):
    source = SYNTHETIC.model_copy(update={"document_length": 10, "max_documents": limit})
    _, uncut, _ = run_corpus(run_script, tmp_path, source)
    assert len(uncut) == (limit or 10)
    for shard in range(3):
        assert run_corpus(run_script, tmp_path, source, shard, 3)[1] == uncut[shard::3]


def test_a_shard_without_text_is_a_warning(run_script, tmp_path):
    source = SYNTHETIC.model_copy(update={"document_length": 50})
    log, texts, record = run_corpus(run_script, tmp_path, source, 2, 3)
    assert "WARNING corpora.c: there is no text in shard 2 of 3" in log
    assert (texts, record["documents"]) == ([], 0)


@pytest.mark.parametrize("shards", [1, 2, 3, 4])
def test_files_are_dealt_out_if_there_are_enough(run_script, tmp_path, shards):
    files = [tmp_path / f"{name}.txt" for name in "abc"]
    for file in files:
        file.write_text(f"{file.stem}1\n{file.stem}2")
    source = Local(source="local", paths=[str(tmp_path)], documents="line")
    runs = [run_corpus(run_script, tmp_path, source, shard, shards, files) for shard in range(shards)]
    whole = [f"{name}{line}" for name in "abc" for line in (1, 2)]
    assert sorted(text for _, texts, _ in runs for text in texts) == whole
    read = [[file["name"] for file in record["files"]] for _, _, record in runs]
    assert read == [list(map(str, files[shard::shards] if shards < 4 else files)) for shard in range(shards)]


def test_maximum_tokens_limit_the_text_that_is_read(run_script, tmp_path):
    source = PythonDocs(source="python-docs", max_tokens=1000)
    _, texts, record = run_corpus(run_script, tmp_path, source)
    assert BYTES_PER_TOKEN * 1000 <= record["bytes"] < BYTES_PER_TOKEN * 1000 + len(texts[-1].encode())
    assert run_corpus(run_script, tmp_path, source, 1, 2)[2]["bytes"] >= BYTES_PER_TOKEN * 500


def test_script_names_a_bad_file(run_script, tmp_path, capsys):
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe")
    source = Local(source="local", paths=[str(tmp_path / "a.txt")])
    with pytest.raises(SystemExit, match=r"^error: \S*a\.txt: byte 0 is not utf-8 text"):
        run_script(
            "corpus/corpus.py",
            input=[tmp_path / "a.txt"],
            output={"table": tmp_path / "c.parquet", "record": tmp_path / "c.json"},
            params={"source": source, "shards": 1},
            wildcards={"corpus": "c", "shard": "0"},
        )
    assert not (tmp_path / "c.parquet").exists()
