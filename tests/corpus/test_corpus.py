import hashlib
import json
import platform

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from scripts.common.jobs import InputError
from scripts.common.tables import read_table
from scripts.corpus.corpus import cut, write_corpus
from scripts.corpus.python_library import python_docs, python_source


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


@given(st.lists(st.text(alphabet="ab .\n", max_size=30), max_size=8), st.integers(1, 20))
def test_cutting_loses_nothing(pieces, longest):
    parts = list(cut(pieces, longest))
    assert "".join(parts) == "".join(pieces)
    assert all(0 < len(part) <= 2 * longest + 1 for part in parts)


words = st.sampled_from(["ab", "a1.", "'s", "é", "b\n\na", "a  b", "\tb", ".\n ", "aab"])


@settings(max_examples=200, deadline=None)
@given(st.lists(words | st.sampled_from([" ", "\n"]), min_size=20, max_size=60), st.integers(10, 30))
def test_cutting_at_safe_places_does_not_change_tokens(parts, longest):
    text = "x ab ".join(parts)  # so that a safe place is never far
    pieces = list(cut([text], longest))
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


def test_script_writes_table_and_record(run_script, tmp_path):
    output = {"table": tmp_path / "c.parquet", "record": tmp_path / "c.json"}
    definition = {"source": "python-docs", "max_documents": 5}
    run_script("corpus/corpus.py", output=output, params={"definition": definition}, wildcards={"corpus": "c"})
    record = json.loads(output["record"].read_text())
    assert record["python"].endswith(platform.python_version())
    assert record["documents"] == 5
    assert len(set(read_table("corpus_text", output["table"])["document"].to_pylist())) == 5


def test_script_names_a_bad_file(run_script, tmp_path, capsys):
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe")
    definition = {"source": "local", "text_column": "text", "documents": "file", "encoding": "utf-8"}
    with pytest.raises(SystemExit, match=r"^error: \S*a\.txt: byte 0 is not utf-8 text"):
        run_script(
            "corpus/corpus.py",
            input=[tmp_path / "a.txt"],
            output={"table": tmp_path / "c.parquet", "record": tmp_path / "c.json"},
            params={"definition": definition},
            wildcards={"corpus": "c"},
        )
    assert not (tmp_path / "c.parquet").exists()
