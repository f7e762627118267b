"""What a configuration may hold: everything else is refused in one line that names the key and what is allowed."""

import copy

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lm_saturation.config import read_experiment
from lm_saturation.config.ngrams import MatrixVariant, NgramSample
from lm_saturation.errors import InputError
from lm_saturation_workflow.project import with_defaults
from tests.config.defaults import CONFIG, DEFAULT, changed, error_of, places, replaced
from tests.config.strategies import anything, likely
from tests.conftest import ROOT

NO_SUCH_FILE = "no such file or folder, and as a glob it matches nothing"
SYNTHETIC = {"source": "synthetic", "vocabulary_size": 10, "rank": 11, "tokens": 5}
HUB = {"source": "hub", "repository": "owner/name", "revision": "main"}


def test_default_is_valid():
    assert error_of(CONFIG) is None


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
            "ngrms: unknown key, did you mean ngrams?; allowed: abilities, causes, checkpoints, corpora,",
        ),
        ("ngrams/order", 6, "ngrams.order is 6; allowed: at most 5"),
        ("ngrams/shards", 0, "ngrams.shards is 0; allowed: at least 1"),
        ("ngrams/shards", 10001, "ngrams.shards is 10001; allowed: at most 10000"),
        ("ngrams/memory_mb", 100, "ngrams.memory_mb is 100; allowed: at least 1000"),
        ("ngrams/tolerance", 1.5, "ngrams.tolerance is 1.5; allowed: a number from 0 to 1"),
        ("held_out/share", 1, "held_out.share is 1; allowed: a number between 0 and 1"),
        ("held_out/share", 0.0, "held_out.share is 0.0; allowed: a number between 0 and 1"),
        ("held_out/seed", 2**32, "held_out.seed is 4294967296; allowed: at most 4294967295"),
        ("ngrams/controls/orders", [1], "ngrams.controls.orders[0] is 1; allowed: at least 2"),
        ("ngrams/order", 5.0, "ngrams.order is 5.0; allowed: a whole number"),
        ("ngrams/order", True, "ngrams.order is True; allowed: a whole number"),
        ("ngrams/cross_documents", 1, "ngrams.cross_documents is 1; allowed: true or false"),
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
        ("ngrams/tokenizers", [], "ngrams.tokenizers is []; allowed: a list of different names"),
        ("ngrams/corpora", "python-docs", "ngrams.corpora is 'python-docs'; allowed: a list"),
        ("ngrams", None, "ngrams is None; allowed: a mapping"),
        ("tokenizers", ..., "tokenizers is missing"),
        ("corpora", {}, "corpora is {}; allowed: "),
        ("corpora/x", {"source": "locla"}, "corpora.x.source is 'locla', did you mean local?; allowed: python-docs, "),
        ("corpora/x", {}, "corpora.x.source is missing"),
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
            {**HUB, "shuffle": {"sead": 1}},
            "corpora.x.shuffle.sead: unknown key, did you mean seed?; allowed: buffer, seed",
        ),
        ("corpora/python-docs/max_tokens", 0, "corpora.python-docs.max_tokens is 0; allowed: at least 1"),
        (
            "tokenizers/x",
            {"source": "hub", "repository": "gpt2", "revision": "main"},
            "tokenizers.x.repository is 'gpt2'; allowed: owner/name, as on the hub",
        ),
        ("corpora/..", {"source": "python-docs"}, "corpora: '..' is not a name; allowed: letters, digits"),
        ("corpora/a\n", {"source": "python-docs"}, r"corpora: 'a\n' is not a name; allowed: letters, digits"),
        ("tokenizers/bpe-4k/algorithm", "bpe", "tokenizers.bpe-4k.algorithm is 'bpe'; allowed: byte-bpe, word"),
        ("tokenizers/bpe-4k/vocabulary_size", 1, "tokenizers.bpe-4k.vocabulary_size is 1; allowed: at least 2"),
        ("report/published/bpe-4k", "gpt2", "report.published.bpe-4k is 'gpt2'; allowed: llama2, pythia"),
        ("report/palette", "tab01", "report.palette is 'tab01', did you mean tab10?; allowed: colorblind, tab10,"),
        ("metrics/word_perplexity", {"corpus": "python-docs"}, "metrics.word_perplexity"),
        ("heads/models", ["d64"], "heads.models[0] is 'd64'; allowed: SUITE/MODEL, as below suites"),
        (
            "heads/initialisations",
            ["nromal"],
            "heads.initialisations[0] is 'nromal', did you mean normal?; allowed: normal, scaled, svd, weighted_svd",
        ),
        ("heads/ranks", [0], "heads.ranks[0] is 0; allowed: at least 1"),
        ("heads/learning_rates", [], "heads.learning_rates is []; allowed: a list of different numbers above 0"),
        ("heads/learning_rates", [float("nan")], "heads.learning_rates[0] is nan; allowed: a number"),
        ("heads/learning_rates", [True], "heads.learning_rates[0] is True; allowed: a number"),
        ("abilities/tasks", ["../x"], "abilities.tasks[0] is '../x'; allowed: a name of a task"),
        ("abilities/num_fewshot", [65], "abilities.num_fewshot[0] is 65; allowed: at most 64"),
        ("abilities/limit", 1, "abilities.limit is 1; allowed: null, or a whole number from 2"),
        ("abilities/storycloze", "", "abilities.storycloze is ''; allowed: null, or a path"),
        ("scaling/bootstraps", 1, "scaling.bootstraps is 1; allowed: at least 2"),
        ("scaling/fit_from", {"mini": -1}, "scaling.fit_from.mini is -1; allowed: at least 0"),
        ("pathvars/results", "../x", "pathvars.results is '../x'; allowed: a folder below this one"),
        ("pathvars/results", "/x", "pathvars.results is '/x'; allowed: a folder below this one"),
    ],
)
def test_errors_are_one_line(path, value, message):
    error = error_of(changed(path, value))
    assert error.startswith(message), error
    assert "\n" not in error


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("ngrams/corpora", ["python-doc"], "ngrams.corpora names 'python-doc', did you mean python-docs?; allowed: "),
        (
            "ngrams/controls/tokenizers",
            ["x"],
            "ngrams.controls.tokenizers names 'x'; allowed: bpe-2k, bpe-32k, bpe-4k, bpe-50k",
        ),
        ("ngrams/tokenizers", ["x"], "ngrams.tokenizers names 'x'; allowed: bpe-2k, "),
        ("checkpoints/suites", ["x"], "checkpoints.suites names 'x'; allowed: control-"),
        ("metrics/word_perplexity", {"corpus": "x", "tokens": 1}, "metrics.word_perplexity.corpus names 'x'; allowed:"),
        ("scaling/suites", ["mimi"], "scaling.suites names 'mimi', did you mean mini?; allowed: mini"),
        ("scaling/fit_from", {"x": 1}, "scaling.fit_from names 'x'; allowed: mini"),
        ("abilities/suites", ["x"], "abilities.suites names 'x'; allowed: mini"),
        (
            "abilities/tasks",
            [],
            "abilities.tasks holds no task that can be had; allowed: tasks, or no abilities.suites",
        ),
        ("abilities/tasks", ["storycloze_2016"], "abilities.tasks holds no task that can be had"),
        ("abilities/steps", [{"first": 9, "last": 3, "every": 1}], "abilities.steps[0] runs from 9 to 3; allowed: "),
        ("abilities/storycloze", "no.csv", "abilities.storycloze is 'no.csv'; there is nothing of that name"),
        ("abilities/pythia_checkout", "no", "abilities.pythia_checkout is 'no'; there is nothing of that name"),
        ("report/published/x", "pythia", "report.published names 'x'; allowed: "),
        ("heads/models", ["mini/d46"], "heads.models names 'mini/d46', did you mean mini/d64?; allowed: mini/d16, "),
        (
            "tokenizers/t",
            {"source": "local", "path": "no.json"},
            "tokenizers.t.path is 'no.json'; there is no such file",
        ),
        (
            "tokenizers/t",
            {"source": "local", "path": "src/tokenizer.model"},
            "tokenizers.t.path is 'src/tokenizer.model', a model of SentencePiece; allowed: the tokenizer.json that ",
        ),
        ("tokenizers/bpe-4k/corpora", ["x"], "tokenizers.bpe-4k.corpora names 'x'; allowed: "),
        ("corpora/s", SYNTHETIC, "corpora.s.rank is 11; allowed with 10 tokens: 1 to 9"),
        ("corpora/l", {"source": "local", "paths": ["no/*.txt"]}, f"corpora.l: no/*.txt: {NO_SUCH_FILE}"),
        (
            "corpora/l",
            {"source": "local", "paths": ["README.md"], "encoding": "utf-9"},
            "corpora.l: unknown encoding: utf-9",
        ),
    ],
)
def test_names_and_files_must_exist(path, value, message, monkeypatch):
    monkeypatch.chdir(ROOT)
    error = error_of(changed(path, value))
    assert error.startswith(message), error
    assert "\n" not in error


def test_n_grams_across_documents_need_one_shard():
    config = changed("ngrams/cross_documents", True)
    assert error_of(config) is None
    config["ngrams"]["shards"] = 2
    assert error_of(config) == "ngrams.cross_documents is true with 2 ngrams.shards; allowed: one shard"


def test_the_order_of_keys_means_nothing():
    def reversed_keys(values):
        if not isinstance(values, dict):
            return values
        return {key: reversed_keys(values[key]) for key in reversed(values)}

    assert list(reversed_keys(CONFIG)) != list(CONFIG)
    experiment = read_experiment(reversed_keys(CONFIG))
    assert experiment == DEFAULT
    assert repr(experiment) == repr(DEFAULT)  # which Snakemake compares parameters by


def test_reading_leaves_the_configuration_as_it_is():
    config = copy.deepcopy(CONFIG)
    read_experiment(config)
    assert config == CONFIG


def test_aliases_of_aliases_are_refused():
    values = [0] * 10
    for _ in range(6):
        values = [values] * 10
    assert error_of(changed("ngrams/seeds", values)).startswith("the config holds more than 100,000 values")


def test_samples_and_seeds():
    ngrams = DEFAULT.ngrams
    samples = ngrams.control_samples()
    assert {sample.tokenizer for sample in samples} == {"bpe-4k"}
    assert {sample.sample_size for sample in samples} == {"10000", "100000", "all"}
    assert {sample.order for sample in samples if sample.sample_size == "100000"} == {"2", "3", "4", "5"}
    assert {sample.order for sample in samples if sample.sample_size != "100000"} == {"5"}
    assert len(samples) == len(set(samples)) == 2 * (3 + 3)
    assert len(ngrams.figure_samples()) == 4
    assert ngrams.smoothed_samples() == [
        NgramSample(corpus, "bpe-4k", "5", "100000") for corpus in ("python-docs", "python-source")
    ]
    assert ngrams.sample_seeds("5", "100000") == [0, 1, 2, 3, 4]
    assert ngrams.sample_seeds("2", "100000") == ngrams.sample_seeds("5", "10000") == [0]
    assert ngrams.sample_seeds("5", "all") == [0]
    assert ngrams.matrix_variants("5") == [("unit", 1), ("count", 1), ("unit", 10)]
    assert ngrams.matrix_variants("4") == [MatrixVariant("unit", 1)]


def test_kinds_of_corpora():
    assert all(corpus.natural and not corpus.fetched for corpus in DEFAULT.corpora.values())
    config = changed("corpora/a", HUB)
    config["corpora"]["b"] = {**HUB, "shuffle": {"seed": 1}}
    config["corpora"]["s"] = {**SYNTHETIC, "rank": 3}
    corpora = read_experiment(config).corpora
    assert [name for name, corpus in corpora.items() if corpus.fetched] == ["a", "b"]
    assert [name for name, corpus in corpora.items() if not corpus.natural] == ["s"]
    assert corpora["b"].shuffle.buffer == 1000
    assert (corpora["a"].split, corpora["a"].text_column) == ("train", "text")


def test_partitions_and_shards():
    assert DEFAULT.shards == DEFAULT.ngrams.partitions("all") == ["0"]
    experiment = read_experiment(changed("ngrams/shards", 3))
    assert experiment.shards == experiment.ngrams.partitions("all") == ["0", "1", "2"]
    assert experiment.ngrams.partitions("100000") == ["0"]


@pytest.mark.parametrize("section", sorted(set(CONFIG) - {"corpora", "tokenizers", "suites"}))
def test_what_is_left_out_is_as_in_the_default(section):
    assert read_experiment(changed(section, ...)) == DEFAULT


@pytest.mark.parametrize("file", sorted((ROOT / "config").glob("*.yaml")), ids=lambda file: file.name)
def test_example_configurations_are_read(file):
    config = with_defaults(yaml.safe_load(file.read_text()))
    experiment = read_experiment(config)
    assert experiment != DEFAULT
    again = read_experiment(experiment.model_dump(exclude_none=True))
    assert again == experiment


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(list(places(CONFIG))), anything | likely)
def test_any_config_is_valid_or_refused_in_one_line(place, value):
    config = replaced(place, value)
    try:
        read_experiment(config).check_files()
    except InputError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017


OWN = {"source": "local", "path": "x", "corpus": "python-docs", "tokenizer": "bpe-2k"}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("tied/training/model/learning_rate", "1e-3", "allowed: a number; write 1.0e-3"),
        ("tied/training/model/learning_rate", "2.5e3", "allowed: a number; write 2.5e+3"),
        ("metrics/tokens", "2e4", "allowed: a whole number; write 20000"),
        ("suites/mini/corpus", False, "allowed: a text; put it in quotes"),
        ("suites/own", OWN | {"models": [160]}, "; put it in quotes"),
    ],
)
def test_what_yaml_takes_for_another_type(path, value, message):
    assert error_of(changed(path, value)).endswith(message)


def test_a_folder_with_a_tokenizer_is_named(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    error = error_of(changed("tokenizers/own", {"source": "local", "path": str(tmp_path)}))
    assert error.endswith("a folder; allowed: the tokenizer.json or .gguf file in it")
