"""Input that is meant to break things, or might as well be: one clear line each, nothing executed, nothing outside.

Elsewhere: damaged archives and encodings (tests/corpus/test_local_files.py), tokenizers that are none
(tests/corpus/test_tokens.py), weights one by one (tests/metrics/test_forward.py), states of a stranger
(tests/training/test_resumable_run.py), every key of the config (tests/workflow/test_configuration.py).
"""

import json
import pickle
import re

import pytest
import torch
import yaml
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from lm_saturation.errors import InputError
from lm_saturation.io.hub import list_files
from lm_saturation.io.tables import read_table
from lm_saturation.text.sources.local import Local
from lm_saturation.text.sources.tokenizers import TrainedTokenizer
from lm_saturation.text.token_files import open_tokens
from lm_saturation.text.tokenizers import load_tokenizer
from lm_saturation_workflow.plan import ROOT, plan
from tests.checkpoints.tiny import files_of, write_files
from tests.conftest import snakemake
from tests.faults.tiny import RESULTS, configure

SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 32}


def refusal(tmp_path, **sections):
    """The one line that refuses a configuration."""
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(sections, allow_unicode=True))
    with pytest.raises(SystemExit) as caught:
        plan(tmp_path / "config.yaml")
    line = str(caught.value)
    assert line.startswith("config: ")
    assert "\n" not in line
    return line


TRAINED = {"source": "train", "corpus": "python-docs", "tokenizer": "bpe-2k", "steps": [0, 1]}
SIZE = {"width": 16, "layers": 1, "attention_heads": 1, "learning_rate": 0.01}


@pytest.mark.parametrize(
    "name", ["../out", "/etc/x", "a/b", "..", "a b", "ä", "a\nb", "", "x" * 65, "$(id)", "a;b", "{x}"]
)
def test_names_cannot_lead_elsewhere(tmp_path, name):
    assert "is not a name; allowed: letters, digits" in refusal(tmp_path, corpora={name: {"source": "python-docs"}})
    tokenizer = {"source": "train", "vocabulary_size": 300, "corpora": ["python-docs"]}
    assert "is not a name; allowed: letters, digits" in refusal(tmp_path, tokenizers={name: tokenizer})
    assert "is not a name; allowed" in refusal(tmp_path, suites={name: TRAINED | {"models": {"m": SIZE}}})
    assert "is not a name; allowed" in refusal(tmp_path, suites={"s": TRAINED | {"models": {name: SIZE}}})
    local = {"source": "local", "path": "x/{model}", "corpus": "python-docs", "tokenizer": "bpe-2k", "models": [name]}
    assert "suites.s.models[0]" in refusal(tmp_path, suites={"s": local})
    assert "pathvars.results" in refusal(tmp_path, pathvars={"results": f"{name}/.."})


def test_aliases_of_aliases_are_refused(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    (tmp_path / "config.yaml").write_text("\n".join([*lines, "ngrams: {corpora: *a8}"]))
    with pytest.raises(SystemExit, match="config: the config holds more than 100,000 values; are there YAML aliases"):
        plan(tmp_path / "config.yaml")


def test_a_config_cannot_make_objects(tmp_path):
    made = tmp_path / "made"
    (tmp_path / "config.yaml").write_text(f"report: {{palette: !!python/object/apply:os.mkdir ['{made}']}}")
    with pytest.raises(BaseException, match="not valid JSON or YAML"):
        plan(tmp_path / "config.yaml")
    assert not made.exists()


def test_a_tokenizer_of_a_gigabyte_is_not_read(tmp_path):
    with (tmp_path / "tokenizer.json").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(InputError, match=r"tokenizer\.json: 1,074 MB; allowed for a tokenizer\.json: 200 MB"):
        load_tokenizer(tmp_path / "tokenizer.json")


def test_a_hash_that_is_a_path_is_refused(hub, monkeypatch, tmp_path):
    from huggingface_hub import HfApi

    hub.add("models", "owner/name", {"model.safetensors": b"weights"})
    monkeypatch.setattr(
        "tests.hub_server.hashlib.sha256", lambda data: type("", (), {"hexdigest": lambda: "../../out"})
    )
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: HfApi(endpoint=hub.url))
    with pytest.raises(InputError, match=r"model\.safetensors: the hub names '\.\./\.\./out' as its sha256"):
        list_files("owner/name", "model", "main")


def tokens_of(run_script, tmp_path, text):
    """The tokens of a text, through the scripts of the rules, with a tokenizer of 300 tokens made from it."""
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    table, tokenizer = tmp_path / "0.parquet", tmp_path / "tokenizer.json"
    paths = [str(tmp_path / "text.txt")]
    run_script(
        "corpus/corpus.py",
        input=paths,
        output={"table": str(table), "record": str(tmp_path / "text.json")},
        params={"source": Local(source="local", paths=paths), "shards": 1},
        wildcards={"corpus": "x", "shard": "0"},
    )
    run_script(
        "corpus/tokenizer.py",
        input={"corpora": [str(table)], "local": []},
        output={"tokenizer": str(tokenizer), "record": str(tmp_path / "record.json")},
        params={"source": TrainedTokenizer(source="train", vocabulary_size=300, corpora=["x"])},
        wildcards={"tokenizer": "x"},
    )
    outputs = {name: str(tmp_path / f"tokens{suffix}") for name, suffix in (("ids", ".bin"), ("ends", ".ends.bin"))}
    run_script(
        "corpus/tokens.py",
        input={"corpus": str(table), "tokenizer": str(tokenizer)},
        output={**outputs, "record": str(tmp_path / "tokens.json")},
        params={"max_tokens": None, "shards": 1},
        wildcards={"corpus": "x", "tokenizer": "x", "shard": "0"},
    )
    return load_tokenizer(tokenizer), open_tokens(tmp_path / "tokens.json")


def test_a_document_of_50_megabytes(run_script, tmp_path):
    text = "ein Satz, der sich wiederholt, mit Umlauten: äöü. " * 1_000_000
    tokenizer, tokens = tokens_of(run_script, tmp_path, text)
    assert len(tokens.ends) == 1
    assert tokenizer.decode(tokens.ids[:200].tolist()) == text[: len(tokenizer.decode(tokens.ids[:200].tolist()))]
    first = tokenizer.encode(text[:500_000], add_special_tokens=False).ids
    assert tokens.ids[: len(first) - 10].tolist() == first[:-10]


def with_text(project, text, name="a b ü.txt", **definition):
    """The tiny configuration with this text in the place of the synthetic one."""
    (project / "my texts").mkdir()
    (project / "my texts" / name).write_text(text, encoding="utf-8")
    config = yaml.safe_load((project / "config" / "tiny.yaml").read_text())
    corpora = config["corpora"] | {"synthetic": {"source": "local", "paths": ["my texts"], **definition}}
    words = config["tokenizers"]["words"] | {"corpora": ["synthetic"]}
    return configure(project, corpora=corpora, tokenizers=config["tokenizers"] | {"words": words})


def run(project, *tables):
    targets = [f"{RESULTS}/tables/{table}.csv" for table in tables]
    return snakemake(project, "--cores", "2", *targets, "--configfile", "config/tiny.yaml", check=False)


def test_a_corpus_of_one_repeated_token(tiny):
    output = run(with_text(tiny, "the " * 20_000), "table_7")
    assert re.findall("^error: .*", output, re.MULTILINE) == []
    spectrum = tiny / RESULTS / "ngrams" / "synthetic" / "words" / "5" / "2000" / "ngram_spectrum.parquet"
    assert read_table("ngram_spectrum", spectrum)["singular_value"].to_pylist()[0] > 0


def test_a_corpus_of_newlines(tiny):
    output = run(with_text(tiny, "\n" * 100_000, documents="line"), "table_7")
    lines = set(re.findall("^error: .*", output, re.MULTILINE))
    assert lines == {"error: corpora.synthetic: there is no text in it"}


class Runs:
    """A pickle of it would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def model(**changes):
    torch.manual_seed(0)
    config = GPTNeoXConfig(**({"vocab_size": 1000, "max_position_embeddings": 32} | SIZES | changes))
    return GPTNeoXForCausalLM(config)


def test_hostile_checkpoints_stop_their_own_jobs(tiny, tmp_path):
    bad = model()
    with torch.no_grad():
        bad.gpt_neox.layers[0].mlp.dense_h_to_4h.weight[0, 0] = float("nan")
    executed = tmp_path / "executed"
    good = files_of(model())
    code = json.loads(good["config.json"]) | {"model_type": "new", "auto_map": {"AutoModelForCausalLM": "run.Model"}}
    script = f"open({str(executed)!r}, 'w')\n".encode()
    checkpoints = {
        "good": good,
        "nan": files_of(bad),
        "pickle": {"config.json": good["config.json"], "pytorch_model.bin": pickle.dumps(Runs(str(executed)))},
        "narrow": files_of(model(vocab_size=10)),
        "code": good | {"config.json": json.dumps(code).encode(), "run.py": script},
    }
    for name, files in checkpoints.items():
        write_files(tmp_path / "models" / name / "checkpoint-1", files)
    local = {"source": "local", "path": str(tmp_path / "models" / "{model}" / "checkpoint-{step}"), "dtype": "float32"}
    suite = local | {"corpus": "synthetic", "tokenizer": "words", "models": list(checkpoints), "sequence_length": 32}
    configure(tiny, suites={"tiny": suite})
    before = {
        path for path in tmp_path.rglob("*") if not {RESULTS.split("/")[0], "logs", ".snakemake"} & set(path.parts)
    }
    output = run(tiny, "saturation")
    lines = set(re.findall("^error: .*", output, re.MULTILINE))
    assert len(lines) == 4, lines
    for name, words in (
        ("nan", "not finite"),
        ("pickle", "pickle"),
        ("narrow", "another tokenizer"),
        ("code", "run.py|code"),
    ):
        assert any(re.search(words, line) and f"/{name}/" in line for line in lines), (name, lines)
    assert (tiny / RESULTS / "metrics" / "tiny" / "good" / "0" / "checkpoint_metrics.parquet").exists()
    assert not executed.exists()
    after = {
        path for path in tmp_path.rglob("*") if not {RESULTS.split("/")[0], "logs", ".snakemake"} & set(path.parts)
    }
    assert {path for path in after - before if "__pycache__" not in path.parts} == set()
    assert ROOT not in after
