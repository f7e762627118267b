import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from scripts.common.jobs import InputError
from scripts.corpus.local_files import find_files, read_documents

DOCUMENTS = ["first\ntext", "zwölf Boxkämpfer, 𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "", "last"]


def plain_bytes(kind, tmp_path):
    if kind == "txt":
        return "\n\n".join(DOCUMENTS).encode()
    if kind == "jsonl":
        return "\n".join(json.dumps({"id": 1, "text": text}) for text in DOCUMENTS).encode() + b"\n\n"
    pq.write_table(pa.table({"text": DOCUMENTS, "id": [1, 2, 3, 4]}), tmp_path / "plain")
    return (tmp_path / "plain").read_bytes()


def compress(data, compression):
    return {"": lambda d: d, ".gz": gzip.compress, ".zst": zstandard.compress}[compression](data)


def read(path, **options):
    return ["".join(pieces) for pieces in read_documents([str(path)], **options)]


@pytest.mark.parametrize("compression", ["", ".gz", ".zst"])
@pytest.mark.parametrize("kind", ["txt", "jsonl", "parquet"])
def test_every_format(tmp_path, kind, compression):
    path = tmp_path / f"a b ä.{kind}{compression}"
    path.write_bytes(compress(plain_bytes(kind, tmp_path), compression))
    assert read(path) == (["\n\n".join(DOCUMENTS)] if kind == "txt" else DOCUMENTS)


@pytest.mark.parametrize("compression", [".gz", ".zst"])
@pytest.mark.parametrize("kind", ["txt", "jsonl", "parquet"])
def test_truncated_archive_is_named(tmp_path, kind, compression):
    path = tmp_path / f"cut.{kind}{compression}"
    path.write_bytes(compress(plain_bytes(kind, tmp_path) * 2, compression)[:-9])
    with pytest.raises(InputError, match=rf"cut\.{kind}{compression}: "):
        read(path)


def test_several_archives_in_one_file(tmp_path):
    path = tmp_path / "two.txt.gz"
    path.write_bytes(gzip.compress(b"one ") + gzip.compress(b"two"))
    assert read(path) == ["one two"]


@pytest.mark.parametrize(
    ("documents", "expected"), [("file", 1), ("line", ["a", "b", "", "c"]), ("paragraph", ["a\nb", "c"])]
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_documents_of_a_text_file(tmp_path, documents, expected, end):
    path = tmp_path / "a.txt"
    path.write_bytes(end.join(["a", "b", "", "c"]).encode())
    found = read(path, documents=documents)
    assert len(found) == 1 if expected == 1 else found == expected


def test_characters_and_line_ends_across_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr("scripts.corpus.local_files.CHUNK", 3)
    path = tmp_path / "a.txt"
    path.write_bytes("ä𝔘\r\n\r\nßé\r\n\r\nx".encode())
    assert read(path) == ["ä𝔘\r\n\r\nßé\r\n\r\nx"]
    assert read(path, documents="paragraph") == ["ä𝔘", "ßé", "x"]


def test_other_encodings(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("Äpfel".encode("utf-16"))
    assert read(path, encoding="utf-16") == ["Äpfel"]
    with pytest.raises(InputError, match=r"a\.txt: byte 0 is not utf-8 text; name the file's `encoding`"):
        read(path)


def test_position_of_a_wrong_byte(tmp_path, monkeypatch):
    monkeypatch.setattr("scripts.corpus.local_files.CHUNK", 4)
    path = tmp_path / "a.txt"
    path.write_bytes("ääää".encode() + b"\xff")
    with pytest.raises(InputError, match="byte 8 is not utf-8"):
        read(path)


def test_not_text(tmp_path):
    path = tmp_path / "picture.txt"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    with pytest.raises(InputError, match=r"picture\.txt: byte 0 is not utf-8 text"):
        read(path)
    path.write_bytes(b"abc\0\0def")
    with pytest.raises(InputError, match=r"picture\.txt: not text, it holds NUL bytes"):
        read(path)
    wrong = tmp_path / "not.parquet"
    wrong.write_bytes(b"abc")
    with pytest.raises(InputError, match=r"not\.parquet: not a Parquet file, or damaged"):
        read(wrong)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "a"', "line 2 is not JSON"),
        ('{"text": 5}', "line 2 is not an object with text under 'text'"),
        ("[1]", "line 2 is not an object"),
        ('{"content": "a", "id": 3}', "line 2 has no 'text'; it has 'content', 'id'"),
    ],
)
def test_wrong_line_is_named(tmp_path, line, message):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "fine"}\n' + line + "\n")
    with pytest.raises(InputError, match=message):
        read(path)


def test_wrong_column_is_named(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"content": ["a"], "number": [1]}), path)
    with pytest.raises(InputError, match=r"a\.parquet: no column 'text'; it has content, number"):
        read(path)
    with pytest.raises(InputError, match=r"column 'number' holds int64, not text"):
        read(path, text_column="number")
    assert read(path, text_column="content") == ["a"]


def test_finding_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (
        "b.txt",
        "a.txt.gz",
        "sub/c.jsonl",
        "sub/deep/d.parquet.zst",
        "sub/e.bin",
        "sub/.h/x.txt",
        "sub/.y.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert find_files(["sub", "*.txt*", "b.txt"]) == ["a.txt.gz", "b.txt", "sub/c.jsonl", "sub/deep/d.parquet.zst"]
    assert find_files(["**/*.jsonl"]) == ["sub/c.jsonl"]
    for wrong, message in (
        ("no.txt", "no such file or folder"),
        ("sub/e.bin", r"kind of file not known; allowed: \.txt"),
        ("*.csv", "matches nothing"),
    ):
        with pytest.raises(InputError, match=message):
            find_files([wrong])
