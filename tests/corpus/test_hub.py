"""Corpora and tokenizers from the hub: the real clients, each in a process of its own, against a server here."""

import gzip
import io
import json
import signal
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
import zstandard
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from lm_saturation.io.tables import read_table
from lm_saturation.text.token_files import open_tokens
from tests.hub_server import Cut, Do, Drip, HubServer, Status, Wrong

ROOT = Path(__file__).resolve().parents[2]
# Small parts and short pauses, so that small files are cut in their middle and no test waits long.
BEGIN = """
import json, sys, time
from huggingface_hub import constants
from lm_saturation.errors import InputError
from lm_saturation.io import retry
from lm_saturation.io.hub import open_repository
from lm_saturation.text.shards import Shard
from lm_saturation.text.sources.hub import Hub
constants.DOWNLOAD_CHUNK_SIZE = 1 << 12
retry.PAUSES = (0, 0)
arguments = json.loads(sys.argv[1])
def answer(call):
    try:
        return call()
    except InputError as error:
        return f"error: {error}"
def fetch(kind, name, revision, path):
    file, record = open_repository(name, kind, revision).fetch(path)
    return file.read_bytes().hex(), record
def read(options, number=0, count=1):
    documents, record = Hub(source="hub", **options).read([], Shard(number, count))
    return ["".join(pieces) for pieces in documents], record
"""
DATA = bytes(range(256)) * 400
TEXTS = [[f"document {file}.{row}" for row in range(5)] for file in range(3)]
ALL = [text for texts in TEXTS for text in texts]


@pytest.fixture
def hub():
    with HubServer() as server:
        yield server


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def start(hub, cache, code, *arguments, **environment):
    command = [sys.executable, "-c", BEGIN + code, json.dumps(arguments)]
    environment = hub.environment(cache) | environment
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=environment, **pipes)


def client(hub, cache, code, *arguments, **environment):
    """What `code` prints, as JSON."""
    with start(hub, cache, code, *arguments, **environment) as process:
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return json.loads(output)


FETCH = "print(json.dumps(answer(lambda: fetch(*arguments))))"
READ = "print(json.dumps(answer(lambda: read(*arguments))))"
READ_EACH = "print(json.dumps([answer(lambda: read(*call)) for call in arguments]))"


def parquet(texts, **columns):
    data = io.BytesIO()
    pq.write_table(pa.table({"text": texts, "number": list(range(len(texts))), **columns}), data)
    return data.getvalue()


def books(hub):
    files = {f"data/train-{i:05}-of-00003.parquet": parquet(texts) for i, texts in enumerate(TEXTS)}
    return hub.add("datasets", "owner/books", {**files, "data/test-00000-of-00001.parquet": parquet(["test"])})


def blobs(cache):
    return [path for path in (cache / "hub").rglob("blobs/*") if path.is_file()]


@pytest.mark.parametrize("path", ["weights.bin", "tokenizer.json"])
def test_a_complete_file_is_not_fetched_twice(hub, cache, path):
    repository = hub.add("models", "owner/model", {path: DATA})
    for _ in range(2):
        content, record = client(hub, cache, FETCH, "model", "owner/model", repository.head, path)
        assert bytes.fromhex(content) == DATA
        assert record["bytes"] == len(DATA)
    bodies = hub.requests("GET", "/storage/" if path == "weights.bin" else "/resolve/")
    assert [request.start for request in bodies] == [0]
    assert not any(request.authorised for request in hub.requests("GET", "/storage/"))  # the token stays on the hub
    assert all(request.authorised for request in hub.requests("GET", "/api/"))


@pytest.mark.parametrize("path", ["weights.bin", "tokenizer.json"])
def test_a_cut_transfer_is_resumed(hub, cache, path):
    repository = hub.add("models", "owner/model", {path: DATA})
    place = "/storage/" if path == "weights.bin" else "/resolve/"
    hub.fail("GET", place, Cut(30000))
    content, _ = client(hub, cache, FETCH, "model", "owner/model", repository.head, path)
    assert bytes.fromhex(content) == DATA
    first, second = (request.start for request in hub.requests("GET", place))
    assert first == 0
    assert 20000 < second <= 30000


def test_a_killed_download_is_resumed(hub, cache):
    repository = hub.add("models", "owner/model", {"weights.bin": DATA})
    hub.fail("GET", "/storage/", Drip(4096, 0.05))
    where = ("model", "owner/model", repository.head, "weights.bin")
    with start(hub, cache, FETCH, *where) as process:
        while not any(path.stat().st_size > 20000 for path in blobs(cache)):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    content, _ = client(hub, cache, FETCH, *where)
    assert bytes.fromhex(content) == DATA
    assert hub.requests("GET", "/storage/")[1].start > 20000
    assert len(blobs(cache)) == 1


def test_two_processes_fetch_a_file_once(hub, cache):
    repository = hub.add("models", "owner/model", {"weights.bin": DATA})
    hub.fail("GET", "/storage/", Drip(8192, 0.05))
    where = ("model", "owner/model", repository.head, "weights.bin")
    processes = [start(hub, cache, FETCH, *where) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [bytes.fromhex(json.loads(output)[0]) for output in outputs] == [DATA, DATA]
    assert len(hub.requests("GET", "/storage/")) == 1


def test_a_busy_hub_is_given_time(hub, cache):
    repository = hub.add("models", "owner/model", {"weights.bin": DATA})
    hub.fail("GET", "/api/models/owner/model", Status(429, {"Retry-After": "1"}), Status(503))
    hub.fail("POST", "paths-info", Status(500))
    hub.fail("GET", "/storage/", Status(500), Status(502))
    code = "begin = time.time(); content, _ = fetch(*arguments); print(json.dumps([content, time.time() - begin]))"
    content, seconds = client(hub, cache, code, "model", "owner/model", repository.head, "weights.bin")
    assert bytes.fromhex(content) == DATA
    assert seconds >= 1
    assert hub.faults == []


def test_wrong_bytes_are_fetched_again_once(hub, cache):
    repository = hub.add("models", "owner/model", {"weights.bin": DATA, "tokenizer.json": DATA})
    hub.fail("GET", "/storage/", Wrong())
    hub.fail("GET", "tokenizer.json", Wrong(), Wrong())
    code = "print(json.dumps([answer(lambda: fetch(*arguments[:3], path)) for path in arguments[3:]]))"
    where = ("model", "owner/model", repository.head, "weights.bin", "tokenizer.json")
    (content, _), error = client(hub, cache, code, *where)
    assert bytes.fromhex(content) == DATA
    assert error.startswith("error: owner/model: tokenizer.json came twice with another git_sha1 than the hub names")
    assert len(blobs(cache)) == 1
    assert [request.start for request in hub.requests("GET", "/storage/")] == [0, 0]


def test_a_damaged_file_in_the_cache_is_fetched_again(hub, cache):
    repository = hub.add("models", "owner/model", {"weights.bin": DATA})
    where = ("model", "owner/model", repository.head, "weights.bin")
    client(hub, cache, FETCH, *where)
    blobs(cache)[0].write_bytes(b"damage")
    content, _ = client(hub, cache, FETCH, *where)
    assert bytes.fromhex(content) == DATA


def test_what_the_hub_refuses_is_said_in_one_line(hub, cache):
    hub.add("models", "owner/model", {"t.json": DATA})
    hub.add("models", "owner/gated", {"t.json": DATA}).gated = True
    hub.fail("GET", "/api/models/owner/busy", *[Status(429)] * 3)
    hub.fail("GET", "/api/models/owner/broken", *[Status(500)] * 3)
    hub.fail("GET", "/api/models/owner/secret", Status(403))
    code = "print(json.dumps([answer(lambda: fetch('model', *call)) for call in arguments]))"
    expected = {
        ("owner/model", "main", "no.json"): "owner/model: there is no file no.json in it at ",
        ("owner/none", "main", "t.json"): "owner/none@main: no such repository at http",
        ("owner/model", "f" * 40, "t.json"): f"owner/model@{'f' * 40}: the repository has no such revision",
        ("owner/gated", "main", "t.json"): "owner/gated: t.json: gated: accept its licence on its page",
        ("owner/busy", "main", "t.json"): "owner/busy@main: the hub asks for fewer requests (429)",
        ("owner/broken", "main", "t.json"): "owner/broken@main: the hub answers with status 500",
        ("owner/secret", "main", "t.json"): "owner/secret@main: the hub refuses it (403)",
    }
    errors = client(hub, cache, code, *expected)
    for error, start_of_line in zip(errors, expected.values(), strict=True):
        assert error.startswith(f"error: {start_of_line}")
        assert "\n" not in error
        assert error.endswith("; run again later, what has come is kept") == ("(429)" in error or "status 500" in error)
    assert errors[3].endswith("then log in with `hf auth login`")


@pytest.mark.parametrize(
    ("setting", "message"),
    [("HF_ENDPOINT", "http://127.0.0.1:9 cannot be reached"), ("HF_HUB_OFFLINE", "HF_HUB_OFFLINE forbids")],
)
def test_no_network(hub, cache, setting, message):
    value = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "1"}[setting]
    error = client(hub, cache, READ, {"repository": "owner/books", "revision": "main"}, **{setting: value})
    assert error.startswith("error: owner/books@main: ")
    assert message in error
    assert "\n" not in error


def test_every_format(hub, cache):
    lines = "".join(json.dumps({"text": text, "meta": {"n": 1}}) + "\n" for text in ALL).encode()
    table = "number,text\n" + "".join(f"1,{text}\n" for text in ALL)
    files = {
        "jsonl": ("train.jsonl", lines),
        "gz": ("train.jsonl.gz", gzip.compress(lines)),
        "zst": ("train.jsonl.zst", zstandard.compress(lines)),
        "json": ("train.json", json.dumps([{"text": text} for text in ALL]).encode()),
        "csv": ("train.csv", table.encode()),
        "txt": ("train.txt", "\n".join(ALL).encode()),
        "parquet": ("train.parquet", parquet([*ALL[:-1], None, ALL[-1]])),
    }
    for name, (path, data) in files.items():
        hub.add("datasets", f"owner/{name}", {path: data})
    calls = [[{"repository": f"owner/{name}", "revision": "main"}] for name in files]
    for texts, record in client(hub, cache, READ_EACH, *calls):
        assert [text for text in texts if text] == ALL
        assert len(record["files"]) == 1


def test_configurations_splits_and_columns(hub, cache):
    card = {"configs": [{"config_name": name, "data_files": f"{name}/*.parquet"} for name in ("one", "two")]}
    files = {f"{name}/0.parquet": parquet([name], title=[f"title {name}"]) for name in ("one", "two")}
    hub.add("datasets", "owner/two", {"README.md": f"---\n{yaml.safe_dump(card)}---\n".encode(), **files})
    hub.add("datasets", "owner/script", {"script.py": b"raise SystemExit('run')", "data.csv": b"text\na\n"})
    hub.add("datasets", "owner/damaged", {"train.parquet": parquet(["a"])[:-9] + b"wrong end"})
    hub.add("datasets", "owner/none", {"README.md": b""})
    books(hub)
    two, single = (
        {"repository": "owner/two", "revision": "main"},
        {"repository": "owner/books", "revision": "main"},
    )
    cases = [
        (two | {"configuration": "two"}, [["two"]]),
        (two | {"configuration": "one", "text_column": "title"}, [["title one"]]),
        (single | {"split": "test"}, [["test"]]),
        (
            two | {"configuration": "three"},
            "error: owner/two: BuilderConfig 'three' not found. Available: ['one', 'two']",
        ),
        (two, "error: owner/two: Config name is missing. Please pick one among the available configs: ['one', 'two']"),
        (single | {"split": "dev"}, "error: owner/books has no split 'dev'; it has train, test"),
        (
            single | {"text_column": "content"},
            "error: owner/books: data/train-00000-of-00003.parquet has no column 'content'; it has text, number",
        ),
        (
            single | {"text_column": "number"},
            "error: owner/books: data/train-00000-of-00003.parquet: column 'number' holds int, not text",
        ),
        (
            single | {"repository": "owner/script"},
            "error: owner/script: Dataset scripts are no longer supported",
        ),
        (single | {"repository": "owner/damaged"}, "error: owner/damaged: train.parquet cannot be read ("),
        (single | {"repository": "owner/none"}, "error: owner/none: "),
    ]
    results = client(hub, cache, READ_EACH, *([definition] for definition, _ in cases))
    for (_, expected), result in zip(cases, results, strict=True):
        if isinstance(expected, list):
            assert result[0] == expected[0]
        else:
            assert result.startswith(expected)
            assert "\n" not in result


def test_only_the_files_needed_are_fetched(hub, cache):
    repository = books(hub)
    definition = {"repository": "owner/books", "revision": repository.head, "max_documents": 7}
    texts, record = client(hub, cache, READ, definition)
    assert texts == ALL[:7]
    assert [file["name"] for file in record["files"]] == [f"data/train-0000{i}-of-00003.parquet" for i in (0, 1)]
    assert len(hub.requests("GET", "/storage/")) == 2
    client(hub, cache, READ, definition | {"max_documents": 11})  # another run
    assert len(hub.requests("GET", "/storage/")) == 3


def test_shards_are_disjoint_and_complete(hub, cache):
    repository = books(hub)
    definition = {"repository": "owner/books", "revision": repository.head}
    cases = [(number, count, limit) for count in (2, 3, 4) for number in range(count) for limit in (None, 8)]
    calls = [[definition | {"max_documents": limit}, number, count] for number, count, limit in cases]
    shard_texts = {case: texts for case, (texts, _) in zip(cases, client(hub, cache, READ_EACH, *calls), strict=True)}
    for count in (2, 3, 4):
        shards = [shard_texts[number, count, None] for number in range(count)]
        assert sorted(chain(*shards)) == sorted(ALL)
        limited = [shard_texts[number, count, 8] for number in range(count)]
        assert len(set(chain(*limited))) == 8
    assert [shard_texts[number, 3, None] for number in range(3)] == TEXTS  # whole files
    assert sorted(chain(*limited)) == sorted(ALL[:8])  # of 4, too many to deal out three files


def test_shuffling_is_seeded(hub, cache):
    repository = books(hub)
    shuffles = [{"seed": seed, "buffer": buffer} for seed, buffer in ((1, 100), (1, 100), (2, 100), (1, 2))]
    definition = {"repository": "owner/books", "revision": repository.head}
    calls = [[definition | {"shuffle": shuffle}] for shuffle in shuffles]
    first, again, other_seed, small_buffer = (texts for texts, _ in client(hub, cache, READ_EACH, *calls))
    assert first == again
    assert len({tuple(texts) for texts in (ALL, first, other_seed, small_buffer)}) == 4
    assert all(sorted(texts) == sorted(ALL) for texts in (first, other_seed, small_buffer))


def test_shuffling_fetches_one_file_at_a_time(hub, cache):
    repository = books(hub)
    shuffle = {"seed": 1, "buffer": 2}
    definition = {"repository": "owner/books", "revision": repository.head, "shuffle": shuffle, "max_documents": 3}
    texts, record = client(hub, cache, READ, definition)
    assert (len(texts), len(record["files"]), len(hub.requests("GET", "/storage/"))) == (3, 1, 1)


@pytest.mark.parametrize("options", [{}, {"max_documents": 1}])
def test_a_file_that_is_half_read_does_not_abort_the_interpreter_at_its_end(hub, cache, options):
    """pyarrow's threads would (apache/arrow, issue 45214), after all work is done."""
    hub.add("datasets", "owner/large", {"train.parquet": parquet([f"text {row}" for row in range(20_000)])})
    code = """
documents, _ = Hub(source="hub", **arguments[0]).read([], Shard(0, 1))
print(json.dumps("".join(next(iter(documents)))))
"""
    assert client(hub, cache, code, {"repository": "owner/large", "revision": "main", **options}) == "text 0"


@pytest.mark.parametrize("moment", [("HEAD", "README.md"), ("GET", "/tree/"), ("POST", "/paths-info/")])
def test_a_branch_that_moves_meanwhile_gives_no_mixture(hub, cache, moment):
    repository = books(hub)
    old = repository.head
    newer = {path: parquet(["new"]) for path in repository.commits[old]}
    hub.fail(*moment, Do(lambda: repository.commit(newer)))
    texts, record = client(hub, cache, READ, {"repository": "owner/books", "revision": "main"})
    assert repository.head != old
    assert (texts, record["commit"]) == (ALL, old)


def test_a_commit_that_vanishes_is_an_error(hub, cache):
    repository = books(hub)
    hub.fail("GET", "train-00001", Do(repository.commits.clear))  # after the first file
    error = client(hub, cache, READ, {"repository": "owner/books", "revision": repository.head})
    assert error.startswith("error: owner/books: ")
    assert "no such revision, or no longer" in error


def test_a_listing_survives_a_busy_hub(hub, cache):
    repository = books(hub)
    hub.fail("GET", "/tree/", Status(429, {"Retry-After": "0"}), Status(500))
    hub.fail("HEAD", "README.md", Status(500))
    texts, _ = client(hub, cache, READ, {"repository": "owner/books", "revision": repository.head})
    assert texts == ALL
    assert hub.faults == []


def bytes_tokenizer():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def test_a_tokenizer_in_parts_is_put_together(hub, cache):
    special = ["<s>", "<pad>", "</s>", "<unk>"]  # as OPT's has them
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*special, *letters, "th", "the"])}
    settings = {
        "tokenizer_class": "GPT2Tokenizer",
        "add_bos_token": True,
        "auto_map": {"AutoTokenizer": ["run.Tokenizer", None]},
        **dict.fromkeys(["bos_token", "eos_token", "unk_token"], "</s>"),
    }
    parts = {
        "vocab.json": json.dumps(vocabulary).encode(),
        "merges.txt": b"#version: 0.2\nt h\nth e\n",
        "tokenizer_config.json": json.dumps(settings).encode(),
        "run.py": b"raise SystemExit('run')",
        "config.json": b'{"model_type": "opt"}',
    }
    hub.add("models", "owner/parts", parts)
    hub.add("models", "owner/damaged", parts | {"vocab.json": b"{"})
    hub.add("models", "owner/none", {"config.json": b"{}"})
    hub.add("models", "owner/pieces", {"tokenizer.model": b"-"})
    code = """
from lm_saturation.text.make_tokenizers import fetch_tokenizer
def make(name):
    tokenizer, record = fetch_tokenizer(name, "main", "tokenizer.json")
    return tokenizer.to_str(), [file["name"] for file in record["files"]]
print(json.dumps([answer(lambda: make(name)) for name in arguments]))
"""
    (made, names), damaged, none, pieces = client(
        hub, cache, code, "owner/parts", "owner/damaged", "owner/none", "owner/pieces"
    )
    tokenizer = Tokenizer.from_str(made)
    assert tokenizer.encode("the th", add_special_tokens=False).tokens == ["the", "Ġ", "th"]
    assert tokenizer.get_vocab() == vocabulary
    assert names == ["vocab.json", "merges.txt", "tokenizer_config.json", "config.json"]
    assert not hub.requests("GET", "run.py")
    assert damaged.startswith("error: owner/damaged: no tokenizer can be built from vocab.json, merges.txt, ")
    assert none.startswith("error: owner/none: there is no file tokenizer.json in it at ")
    assert pieces.startswith(
        "error: owner/pieces: tokenizer.model is a model of SentencePiece; allowed: the tokenizer."
    )


def test_the_rules_from_hub_to_tokens(hub, cache, project, tmp_path):
    books(hub)
    tokenizer = bytes_tokenizer()
    model = hub.add("models", "owner/model", {"tokenizer.json": tokenizer.to_str().encode()})
    config = yaml.safe_load((project / "config" / "smoke.yaml").read_text())
    config["corpora"]["books"] = {"source": "hub", "repository": "owner/books", "revision": "main", "max_tokens": 31}
    config["tokenizers"]["hub"] = {"source": "hub", "repository": "owner/model", "revision": model.head}
    config["ngrams"]["shards"] = 2
    (tmp_path / "hub.yaml").write_text(yaml.safe_dump(config))
    targets = [f"results/smoke/corpus/tokens/books/hub/{shard}.json" for shard in (0, 1)]
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *targets, "--configfile", str(tmp_path / "hub.yaml")]
    result = subprocess.run(
        command, cwd=project, env=hub.environment(cache), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    corpus = project / "results" / "smoke" / "corpus"
    texts = [read_table("corpus_text", corpus / "text" / "books" / f"{shard}.parquet")["text"] for shard in (0, 1)]
    assert [shard.to_pylist() for shard in texts] == [TEXTS[0] + TEXTS[2], TEXTS[1]]
    tokens = [open_tokens(project / target) for target in targets]
    assert [len(shard.ids) for shard in tokens] == [16, 15]
    assert [tokenizer.decode(shard.ids.tolist()) for shard in tokens] == ["document 0.0docu", "document 1.0doc"]
    record = json.loads((corpus / "tokenizers" / "hub.record.json").read_text())
    assert record["commit"] == model.head
    log = (project / "logs" / "smoke" / "corpus" / "corpus" / "books" / "0.log").read_text()
    assert "owner/books: the revision main can move; it is now " in log
    assert "train-00002-of-00003.parquet: 100%" in log
    assert "\x1b" not in log
    assert "fetching" not in result.stdout + result.stderr  # the screen is Snakemake's
