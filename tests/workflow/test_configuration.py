import copy
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from snakemake.utils import validate

from scripts.workflow.configuration import (
    SCHEMA_FILE,
    corpus_shards,
    count_partitions,
    counted_at_once,
    fill_defaults,
    from_hub,
    matrix_variants,
    ngram_samples,
    reference_error,
    sample_seeds,
    schema_error,
    sort_keys,
    synthetic_corpora,
)
from scripts.workflow.module import with_defaults
from scripts.workflow.plan import plan

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text())


def changed(path, value):
    """The default configuration with one key changed, or deleted if the value is ..."""
    config = copy.deepcopy(DEFAULT)
    *parents, last = path.split("/")
    place = config
    for part in parents:
        place = place.setdefault(part, {})
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return config


def test_default_is_valid():
    assert schema_error(DEFAULT) is None
    assert reference_error(DEFAULT) is None


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "ngrams/sampel_size",
            5,
            "ngrams.sampel_size: unknown key, did you mean sample_size?; allowed: controls, corpora",
        ),
        (
            "ngrms",
            {},
            "ngrms: unknown key, did you mean ngrams?; allowed: abilities, checkpoints, corpora, heads,",
        ),
        ("ngrams/order", 6, "ngrams.order is 6; allowed: at most 5"),
        ("ngrams/shards", 0, "ngrams.shards is 0; allowed: at least 1"),
        ("ngrams/memory_mb", 100, "ngrams.memory_mb is 100; allowed: at least 1000"),
        ("held_out/share", 1, "held_out.share is 1; allowed: a number between 0 and 1"),
        ("ngrams/controls/orders", [1], "ngrams.controls.orders[0] is 1; allowed: at least 2"),
        ("ngrams/order", 5.0, "ngrams.order is 5.0; allowed: a whole number"),
        ("ngrams/sample_size", 1e5, "ngrams.sample_size is 100000.0; allowed: a whole number from 1, or all"),
        ("ngrams/sample_size", "1e5", "ngrams.sample_size is '1e5'; allowed: a whole number from 1, or all"),
        ("ngrams/order", "five", "ngrams.order is 'five'; allowed: a whole number"),
        ("ngrams/sample_size", "al", "ngrams.sample_size is 'al'; allowed: a whole number from 1, or all"),
        ("ngrams/sample_size", True, "ngrams.sample_size is True; allowed: a whole number from 1, or all"),
        (
            "ngrams/controls/sample_sizes",
            [10, -1],
            "ngrams.controls.sample_sizes[1] is -1; allowed: a whole number from 1",
        ),
        ("ngrams/seeds", [1, 1], "ngrams.seeds is [1, 1]; allowed: a list of different whole numbers from 0"),
        ("ngrams/corpora", [], "ngrams.corpora is []; allowed: a list of different names"),
        ("ngrams/tokenizers", ..., "ngrams.tokenizers is missing"),
        ("corpora/x", {"source": "locla"}, "corpora.x.source is 'locla', did you mean local?; allowed: python-docs, "),
        ("corpora/x", {"source": "local"}, "corpora.x.paths is missing"),
        (
            "corpora/x",
            {"source": "python-docs", "paths": ["a"]},
            "corpora.x.paths: unknown key; allowed: max_documents, ",
        ),
        ("corpora/x", {"source": "hub", "repository": "owner/name"}, "corpora.x.revision is missing"),
        (
            "corpora/x",
            {"source": "hub", "repository": "../x", "revision": "main"},
            "corpora.x.repository is '../x'; allowed: owner/name, as on the hub",
        ),
        (
            "corpora/x",
            {"source": "hub", "repository": "owner/name", "revision": "main", "shuffle": {"sead": 1}},
            "corpora.x.shuffle.sead: unknown key, did you mean seed?; allowed: buffer, seed",
        ),
        ("corpora/python-docs/max_tokens", 0, "corpora.python-docs.max_tokens is 0; allowed: at least 1"),
        (
            "tokenizers/x",
            {"source": "hub", "repository": "gpt2", "revision": "main"},
            "tokenizers.x.repository is 'gpt2'; allowed: owner/name, as on the hub",
        ),
        ("corpora/..", {"source": "python-docs"}, "corpora: '..' is not a name; allowed: letters, digits"),
        ("tokenizers/bpe-4k/algorithm", "bpe", "tokenizers.bpe-4k.algorithm is 'bpe'; allowed: byte-bpe, word"),
        ("report/published/bpe-4k", "gpt2", "report.published.bpe-4k is 'gpt2'; allowed: llama2, pythia"),
        ("heads/models", ["d64"], "heads.models[0] is 'd64'; allowed: SUITE/MODEL, as below suites"),
        ("heads/starts", ["nromal"], "heads.starts[0] is 'nromal', did you mean normal?; allowed: normal, scaled, svd"),
        ("heads/ranks", [0], "heads.ranks[0] is 0; allowed: at least 1"),
        ("heads/learning_rates", [], "heads.learning_rates is []; allowed: a list of different numbers above 0"),
        ("scaling/bootstraps", 1, "scaling.bootstraps is 1; allowed: at least 2"),
        ("pathvars/results", "../x", "pathvars.results is '../x'; allowed: a folder below this one"),
    ],
)
def test_schema_errors_are_one_line(path, value, message):
    error = schema_error(changed(path, value))
    assert error.startswith(message), error
    assert "\n" not in error


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("ngrams/corpora", ["python-doc"], "ngrams.corpora names 'python-doc', did you mean python-docs?; allowed: "),
        (
            "ngrams/controls/tokenizers",
            ["x"],
            "ngrams.controls.tokenizers names 'x'; allowed: bpe-4k, bpe-2k, bpe-32k, bpe-50k",
        ),
        ("scaling/suites", ["mimi"], "scaling.suites names 'mimi', did you mean mini?; allowed: mini"),
        ("scaling/fit_from", {"x": 1}, "scaling.fit_from names 'x'; allowed: mini"),
        ("heads/models", ["mini/d46"], "heads.models names 'mini/d46', did you mean mini/d64?; allowed: mini/d64, "),
        (
            "tokenizers/t",
            {"source": "local", "path": "no.json"},
            "tokenizers.t.path is 'no.json'; there is no such file",
        ),
        ("tokenizers/bpe-4k/corpora", ["x"], "tokenizers.bpe-4k.corpora names 'x'; allowed: "),
        (
            "corpora/s",
            {"source": "synthetic", "vocabulary_size": 10, "rank": 11, "tokens": 5},
            "corpora.s: rank is 11; with 10 tokens it can be 1 to 9",
        ),
        (
            "corpora/l",
            {"source": "local", "paths": ["no/*.txt"], "encoding": "utf-8"},
            "corpora.l: no/*.txt: no such file or folder, and as a glob it matches nothing",
        ),
        (
            "corpora/l",
            {"source": "local", "paths": ["README.md"], "encoding": "utf-9"},
            "corpora.l: unknown encoding: utf-9",
        ),
    ],
)
def test_references_are_checked(path, value, message, monkeypatch):
    monkeypatch.chdir(ROOT)
    config = changed(path, value)
    assert schema_error(config) is None
    assert reference_error(config).startswith(message)


def test_every_key_of_the_default_has_a_comment():
    bare = [
        line
        for line in (ROOT / "config.yaml").read_text().splitlines()
        if line.strip() and not line.lstrip().startswith("#") and "  # " not in line
    ]
    named = {"ngrams:", "checkpoints:", "report:", *(f"  {name}:" for name in ("mini", *DEFAULT["tokenizers"]))}
    assert [line for line in bare if line not in named] == []


def test_every_leaf_of_the_schema_is_described():
    def leaves(node, path=""):
        for name, child in node.get("properties", {}).items():
            if (
                child
                and "properties" not in child
                and "description" not in child
                and child.get("$ref", "")[8:] != "folder"
            ):
                yield f"{path}.{name}"
            yield from leaves(child, f"{path}.{name}")

    schema = yaml.safe_load(SCHEMA_FILE.read_text())
    parts = [schema, *(part for name, part in schema["$defs"].items() if name.count("_"))]
    assert [leaf for part in parts for leaf in leaves(part)] == []


def test_sorting_keys_changes_nothing_else():
    config = copy.deepcopy(DEFAULT)
    sort_keys(config)
    assert config == DEFAULT
    assert list(config["ngrams"])[:2] == ["controls", "corpora"]


def test_samples_and_seeds():
    samples = ngram_samples(DEFAULT, "controls")
    assert {sample["tokenizer"] for sample in samples} == {"bpe-4k"}
    assert {sample["sample_size"] for sample in samples} == {"10000", "100000", "all"}
    assert {sample["order"] for sample in samples if sample["sample_size"] == "100000"} == {"2", "3", "4", "5"}
    assert {sample["order"] for sample in samples if sample["sample_size"] != "100000"} == {"5"}
    assert len(samples) == len({tuple(sample.values()) for sample in samples}) == 2 * (3 + 3)
    assert len(ngram_samples(DEFAULT, "figure_7")) == 4
    assert sample_seeds(DEFAULT, "5", "100000") == [0, 1, 2, 3, 4]
    assert sample_seeds(DEFAULT, "2", "100000") == sample_seeds(DEFAULT, "5", "10000") == [0]
    assert sample_seeds(DEFAULT, "5", "all") == [0]
    assert matrix_variants(DEFAULT, "5") == [["unit", 1], ["count", 1], ["unit", 10]]
    assert matrix_variants(DEFAULT, "4") == [["unit", 1]]
    assert synthetic_corpora(DEFAULT) == []


@pytest.mark.parametrize("file", sorted((ROOT / "config").glob("*.yaml")), ids=lambda file: file.name)
def test_defaults_are_those_that_snakemake_fills_in(file):
    config = with_defaults(yaml.safe_load(file.read_text()))
    filled, theirs = copy.deepcopy(config), copy.deepcopy(config)
    fill_defaults(filled)
    validate(theirs, str(SCHEMA_FILE))
    assert filled == theirs
    assert filled != config


def test_names_from_the_hub():
    assert not re.fullmatch(from_hub(DEFAULT, "corpora"), "")
    hub = {"source": "hub", "repository": "owner/name", "revision": "main"}
    config = changed("corpora/a", dict(hub))
    config["corpora"]["b"] = {**hub, "shuffle": {"seed": 1}}
    assert schema_error(config) is None
    assert from_hub(config, "corpora") == "a|b"
    fill_defaults(config)
    assert config["corpora"]["b"]["shuffle"]["buffer"] == 1000
    assert (config["corpora"]["a"]["split"], config["corpora"]["a"]["text_column"]) == ("train", "text")
    assert from_hub(config, "tokenizers") == "(?!)"


def test_shards():
    assert corpus_shards(DEFAULT) == ["0"]
    assert corpus_shards(changed("ngrams/shards", 3)) == ["0", "1", "2"]


def places(node, path=()):
    """Every key and index of a config."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(["all", "local", "train", "hub"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(list(places(DEFAULT))), anything)
def test_any_config_is_valid_or_refused_in_one_line(place, value):
    config = copy.deepcopy(DEFAULT)
    parent = config
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value
    error = schema_error(config)
    if error is None:
        fill_defaults(config)
        sort_keys(config)
        error = reference_error(config)
    assert error is None or (error and len(error.splitlines()) == 1)


NAMES = ["python-docs", "python-source", "bpe-2k", "bpe-4k", "mini", "mini/d64", "mini/d8", "cuda"]
likely = st.integers(0, 9) | st.sampled_from(NAMES) | st.lists(st.integers(1, 6) | st.sampled_from(NAMES), max_size=3)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from([place for place in places(DEFAULT) if place[0] != "pathvars"]), anything | likely)
def test_any_config_is_planned_or_refused_in_one_line(tmp_path_factory, place, value):
    """All but `pathvars`, which Snakemake itself reads, and refuses, before the Snakefile."""
    config = copy.deepcopy(DEFAULT)
    parent = config
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    try:
        assert {job.rule for job in plan(path)} >= {"report", "claims"}
    except SystemExit as refusal:
        assert re.fullmatch(r"config: [^\n]+", str(refusal))  # noqa: PT017


def test_partitions_and_shards():
    assert count_partitions(DEFAULT, "all") == ["0"]
    config = changed("ngrams/shards", 3)
    assert corpus_shards(config) == count_partitions(config, "all") == ["0", "1", "2"]
    assert count_partitions(config, "100000") == ["0"]
    assert re.fullmatch(counted_at_once(DEFAULT), "all")
    assert not re.fullmatch(counted_at_once(config), "all")
