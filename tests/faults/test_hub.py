"""A hub in a bad hour, for corpus, tokenizer and suite at once: results are those of a good one, and no token shows.

Elsewhere, fault by fault: tests/corpus/test_hub.py and tests/checkpoints/test_audit.py, test_download.py.
"""

import shutil

import pytest
import yaml

from tests.checkpoints.tiny import files_of
from tests.conftest import copy_project, results_of, snakemake
from tests.corpus.test_hub import bytes_tokenizer, parquet
from tests.faults.test_hostile import model
from tests.faults.tiny import RESULTS, configure
from tests.hub_server import Cut, Drip, Status, Wrong

TOKEN = "hf_secret"  # tests/hub_server.py gives it to clients
TARGET = f"{RESULTS}/metrics/it/saturation.parquet"
FAULTS = [
    ("GET", "/storage/models", [Cut(3000), Status(500), Wrong()]),
    ("GET", "/storage/datasets", [Cut(100), Drip(200, 0.02)]),
    ("GET", "config.json", [Status(429, {"Retry-After": "1"})]),
    ("GET", "/refs", [Status(503)]),
    ("POST", "/paths-info", [Status(500), Status(429, {"Retry-After": "0"})]),
    ("HEAD", "tokenizer.json", [Status(500)]),
]


@pytest.fixture
def busy(hub, tmp_path):
    """A hub that holds all that the configuration names, and the configuration."""
    texts = [f"text {number} of some words that follow each other. " * 20 for number in range(60)]
    hub.add("datasets", "owner/texts", {"README.md": b"", "data/train-00000-of-00001.parquet": parquet(texts)})
    hub.add("models", "owner/tokenizer", {"tokenizer.json": bytes_tokenizer().to_str().encode()})
    repository = hub.add("models", "owner/tiny-a", files_of(model(vocab_size=256)))
    for step in (0, 10, 20):
        repository.commit(files_of(model(vocab_size=256, initializer_range=0.02 + step / 1000)), f"step{step}")
    return hub


def configured(project):
    corpus = {"source": "hub", "repository": "owner/texts", "revision": "main"}
    tokenizer = {"source": "hub", "repository": "owner/tokenizer", "revision": "main"}
    suite = {"source": "hub", "repository": "owner/tiny-{model}", "revision": "step{step}", "models": ["a"]}
    suite |= {"steps": [0, 10, 20], "corpus": "texts", "tokenizer": "bytes", "sequence_length": 32, "span": 10}
    configure(project)
    config = yaml.safe_load((project / "config" / "tiny.yaml").read_text())
    config["corpora"]["texts"], config["tokenizers"]["bytes"], config["suites"] = corpus, tokenizer, {"it": suite}
    config["checkpoints"] = {"suites": ["it"], "prefetch": 1}
    config["scaling"] = {"suites": [], "bootstraps": 2}
    config["ngrams"] |= {"corpora": ["texts"], "tokenizers": ["bytes"]}
    config["ngrams"]["controls"]["tokenizers"] = ["bytes"]
    config["metrics"] |= {"tokens": 400}
    config["abilities"] |= {"suites": []}
    config["tied"]["remedies"] = []
    return configure(project, **config)


def test_a_bad_hour_changes_no_result_and_no_token_shows(busy, project, tmp_path):
    configured(project)
    calm = copy_project(tmp_path / "calm")
    shutil.copy(project / "config" / "tiny.yaml", calm / "config")
    arguments = ["--cores", "2", TARGET, "--configfile", "config/tiny.yaml"]
    snakemake(calm, *arguments, env=busy.environment(tmp_path / "calm-cache"))
    for method, path, faults in FAULTS:
        busy.fail(method, path, *faults)
    printed = snakemake(project, *arguments, env=busy.environment(tmp_path / "cache"))
    assert busy.faults == []  # all of them happened
    here, there = results_of(calm, RESULTS), results_of(project, RESULTS)
    assert set(there) == set(here)
    assert [name for name in there if there[name] != here[name]] == []
    assert any(request.authorised for request in busy.log)
    assert TOKEN not in printed
    files = [path for path in project.rglob("*") if path.is_file()]
    assert [path for path in files if TOKEN.encode() in path.read_bytes()] == []
