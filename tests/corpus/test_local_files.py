import gzip
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from lm_saturation.errors import InputError
from lm_saturation.text.local_files import find_files, read_documents
from lm_saturation.text.shards import Shard
from lm_saturation.text.sources.local import Local

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


@pytest.mark.parametrize("kind", ["txt.gz", "jsonl.zst", "parquet.gz"])
def test_an_archive_of_no_bytes_is_not_an_empty_text(tmp_path, kind):
    (tmp_path / f"a.{kind}").touch()
    with pytest.raises(InputError, match=rf"a\.{kind}: 0 bytes, which no file of (gzip|zstd) has; was it cut short\?$"):
        read(tmp_path / f"a.{kind}")


def test_a_zstd_window_that_is_too_large_is_said(tmp_path):
    path = tmp_path / "a.txt.zst"
    for window, read_as in ((27, ["text"]), (28, None)):
        packer = zstandard.ZstdCompressor(
            compression_params=zstandard.ZstdCompressionParameters.from_level(3, window_log=window)
        ).compressobj()  # of a text of unknown length: else the window is no longer than that
        path.write_bytes(packer.compress(b"text") + packer.flush())
        if read_as:
            assert read(path) == read_as
        else:
            with pytest.raises(InputError, match="with a window of more than 128 MB; allowed is at most that"):
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
    texts = read(path, documents=documents)
    assert len(texts) == 1 if expected == 1 else texts == expected


def test_characters_and_line_ends_across_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr("lm_saturation.text.local_files.CHUNK", 3)
    path = tmp_path / "a.txt"
    path.write_bytes("ä𝔘\r\n\r\nßé\r\n\r\nx".encode())
    assert read(path) == ["ä𝔘\r\n\r\nßé\r\n\r\nx"]
    assert read(path, documents="paragraph") == ["ä𝔘", "ßé", "x"]


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 1 << 20])
@pytest.mark.parametrize(("documents", "separator"), [("line", "\n"), ("paragraph", "\n\n")])
def test_documents_do_not_depend_on_chunks(tmp_path, monkeypatch, documents, separator, chunk):
    monkeypatch.setattr("lm_saturation.text.local_files.CHUNK", chunk)
    text = "a\r\n\r\nb\n\n\nzwölf\r\n\nc\r\n\n\n\r"
    (tmp_path / "a.txt").write_bytes(text.encode())
    assert read(tmp_path / "a.txt", documents=documents) == text.replace("\r\n", "\n").split(separator)


@pytest.mark.parametrize("kind", ["jsonl", "txt"])
def test_a_file_of_one_long_line(tmp_path, monkeypatch, kind):
    """In 200,000 chunks: copying what has come at each would take minutes."""
    monkeypatch.setattr("lm_saturation.text.local_files.CHUNK", 64)
    text = "a long line " * 1_000_000
    (tmp_path / f"a.{kind}").write_text(json.dumps({"text": text}) if kind == "jsonl" else text)
    assert read(tmp_path / f"a.{kind}", documents="line") == [text]


def test_other_encodings(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("Äpfel".encode("utf-16"))
    assert read(path, encoding="utf-16") == ["Äpfel"]
    with pytest.raises(InputError, match=r"a\.txt: byte 0 is not utf-8 text; name the file's `encoding`"):
        read(path)


def test_position_of_a_wrong_byte(tmp_path, monkeypatch):
    monkeypatch.setattr("lm_saturation.text.local_files.CHUNK", 4)
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


@pytest.mark.parametrize("kind", ["txt", "txt.gz", "jsonl", "parquet", "parquet.zst"])
@pytest.mark.parametrize("name", [b"notes {draft}", b"<a>", b"caf\xe9"])
def test_names_that_cannot_be_tracked_are_read(tmp_path, name, kind):
    kind, _, compression = kind.partition(".")
    path = tmp_path / f"{os.fsdecode(name)}.{kind}{'.' * bool(compression)}{compression}"
    path.write_bytes(compress(plain_bytes(kind, tmp_path), path.suffix if compression else ""))
    (tmp_path / "a.txt").write_text("good")
    source = Local(source="local", paths=[str(tmp_path)])
    source.check()
    assert source.input_files() == [str(tmp_path / "a.txt")]
    documents, record = source.read(source.input_files(), Shard(0, 1))
    texts = ["".join(pieces) for pieces in documents]
    assert sorted(texts) == sorted([*(["\n\n".join(DOCUMENTS)] if kind == "txt" else DOCUMENTS), "good"])
    assert json.dumps(record).encode()  # names can be written
    version = source.version()
    path.write_bytes(path.read_bytes() + b" ")
    assert source.version() != version  # the job runs again
    path.unlink()
    assert source.version() is None


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.txt")
    with pytest.raises(InputError, match=r"a\.txt: neither a file nor a folder$"):
        find_files([str(tmp_path / "a.txt")])


def test_links_are_followed_and_do_not_lead_round(tmp_path):
    texts, elsewhere = tmp_path / "texts", tmp_path / "elsewhere"
    for file in (texts / "a.txt", texts / "below" / "b.txt", elsewhere / "deep" / "c.txt", elsewhere / "d.txt"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("text")
    (texts / "linked").symlink_to(elsewhere)
    (texts / "again").symlink_to(elsewhere)
    (texts / "below" / "up").symlink_to(texts)
    (texts / "e.txt").symlink_to(elsewhere / "d.txt")
    (texts / ".hidden").symlink_to(tmp_path)
    found = find_files([str(texts)])
    names = ["a.txt", "again/d.txt", "again/deep/c.txt", "below/b.txt", "e.txt"]
    assert found == [str(texts / name) for name in names]


def test_what_cannot_be_found_is_not_left_out_silently(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nothing.txt")
    with pytest.raises(InputError, match=r"gone\.txt: a link that leads nowhere"):
        find_files([str(tmp_path)])
    (tmp_path / "gone.txt").unlink()
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def refusing(path):  # tests may run as root, who may read all
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(InputError, match=r"closed: cannot be read \(Permission denied\)"):
        find_files([str(tmp_path)])


@pytest.mark.parametrize(("suffix", "pack"), [("TXT.GZ", gzip.compress), ("Txt.Zst", zstandard.compress)])
def test_suffixes_in_capitals_are_decompressed(tmp_path, suffix, pack):
    path = tmp_path / f"A.{suffix}"
    path.write_bytes(pack(b"text"))
    assert find_files([str(tmp_path)]) == [str(path)]
    assert read(path) == ["text"]


@pytest.mark.parametrize("chunk", [1, 2, 3, 1 << 20])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_a_byte_order_mark_is_no_text(tmp_path, monkeypatch, encoding, chunk):
    monkeypatch.setattr("lm_saturation.text.local_files.CHUNK", chunk)
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffA\ufeffb".encode(encoding))
    assert read(path, encoding=encoding) == ["A\ufeffb"]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())], ids=str
)
def test_every_type_of_text_in_parquet(tmp_path, kind):
    column = pa.array(["one", None, "zwölf", "one"])
    pq.write_table(
        pa.table({"text": column.dictionary_encode() if "dict" in str(kind) else column.cast(kind)}),
        tmp_path / "a.parquet",
    )
    assert read(tmp_path / "a.parquet") == ["one", "", "zwölf", "one"]


def test_text_in_parquet_that_is_not_utf8_is_named(tmp_path):
    bad = pa.array([b"fine", b"caf\xe9"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": bad}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet: column 'text', row 2: byte 3 is not UTF-8$"):
        read(tmp_path / "a.parquet")


def test_json_nested_too_deeply_is_named(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "fine"}\n{"text": "a", "more": ' + 100_000 * "[" + 100_000 * "]" + "}\n")
    with pytest.raises(InputError, match=r"a\.jsonl: line 2 is JSON nested too deeply to be read$"):
        read(path)
