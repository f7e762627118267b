"""The files that rules read and write."""

import re

import pytest

from lm_saturation.config import read_experiment
from lm_saturation.config.suites import ForeignSuite, TrainedSuite
from lm_saturation_workflow import paths
from tests.config.defaults import DEFAULT, changed
from tests.config.test_suites import HUB, LOCAL


def with_suite(definition, **sections):
    """The default experiment and a suite `it`, which is measured; `sections` are updates of others."""
    config = changed("suites/it", definition)
    config["checkpoints"]["suites"] = ["it", "mini"]
    for name, values in sections.items():
        config[name] |= values
    return read_experiment(config)


def test_names_as_a_regular_expression():
    assert re.fullmatch(paths.matching(["a.b", "c"]), "a.b")
    assert not re.fullmatch(paths.matching(["a.b", "c"]), "axb")
    assert not re.fullmatch(paths.matching([]), "")


def test_token_files_are_those_of_every_shard():
    experiment = read_experiment(changed("ngrams/shards", 2))
    folder = "<results>/corpus/tokens/python-source/bpe-2k"
    kinds = ("json", "bin", "ends.bin")
    files = [f"{folder}/{shard}.{kind}" for shard in "01" for kind in kinds]
    assert paths.token_files(experiment, "python-source", "bpe-2k") == files
    assert paths.suite_tokens(experiment, "mini") == files
    assert paths.text_tables(experiment, "python-source") == [
        f"<results>/corpus/text/python-source/{shard}.parquet" for shard in "01"
    ]


def test_files_of_words_only_where_their_perplexity_is_measured():
    assert paths.word_tokens(DEFAULT, "mini") == paths.word_texts(DEFAULT) == []
    experiment = read_experiment(changed("metrics/word_perplexity", {"corpus": "python-docs", "tokens": 9}))
    assert paths.word_texts(experiment) == ["<results>/corpus/text/python-docs/0.parquet"]
    assert paths.word_tokens(experiment, "mini")[0] == "<results>/corpus/tokens/python-docs/bpe-2k/0.json"


def test_a_span_waits_until_the_one_before_the_prefetched_is_gone():
    def waits(prefetch, **sections):
        experiment = with_suite(HUB, **sections)
        experiment = experiment.model_copy(
            update={"checkpoints": experiment.checkpoints.model_copy(update={"prefetch": prefetch})}
        )
        return [paths.download_slot(experiment, "it", "14m", span) for span in "012"]

    def metrics(span):
        return f"<results>/metrics/it/14m/{span}/checkpoint_metrics.parquet"

    assert waits(2) == [[], [], [metrics(0)]]
    assert waits(1) == [[], [metrics(0)], [metrics(1)]]
    scores = "<results>/abilities/it/14m/0/ability_scores.parquet"
    assert waits(2, abilities={"suites": ["it"]})[2] == [metrics(0), scores]


def test_only_models_of_others_are_audited():
    audit = "<results>/checkpoints/it/14m/audit.parquet"
    experiment = with_suite(HUB)
    assert paths.suite_audit(experiment, "it", "14m") == [audit]
    assert paths.suite_audit(experiment, "mini", "d64") == []
    assert paths.audits(experiment) == [audit, audit.replace("14m", "1.4b")]
    assert re.fullmatch(paths.suites_of(experiment, ForeignSuite), "it")
    assert not re.fullmatch(paths.suites_of(experiment, TrainedSuite), "it")


@pytest.mark.parametrize(
    ("definition", "step", "span"),
    [
        ({**HUB, "steps": [0, 500, 143000], "span": 20000}, 143000, "7"),
        ({**HUB, "steps": "all", "span": 20000, "last_step": 90000}, None, "4"),
        ({**LOCAL, "models": ["14m"], "path": "runs/{step}", "steps": "all"}, None, "0"),
        ({**HUB, "revision": "main", "steps": "all", "span": None}, 0, "0"),
    ],
)
def test_the_final_checkpoint_of_a_suite(definition, step, span):
    experiment = with_suite({key: value for key, value in definition.items() if value is not None})
    assert (experiment.suites["it"].step_list or [None])[-1] == step
    assert paths.final_span(experiment, "it", "14m") == f"<results>/checkpoints/it/14m/{span}"
    assert paths.final_span(experiment, "mini", "d64") == "<results>/checkpoints/mini/d64/0"


def test_tables_of_spans_and_of_models():
    experiment = with_suite(HUB)
    tables = paths.measured_tables(experiment, "checkpoint_metrics")
    assert tables[:2] == [f"<results>/metrics/it/14m/{span}/checkpoint_metrics.parquet" for span in "01"]
    assert len(tables) == 2 * 3 + len(DEFAULT.suites["mini"].model_names)
    assert paths.head_tables(DEFAULT, "head_losses") == [
        f"<results>/heads/mini/d64/{job}/head_losses.parquet" for job in "01"
    ]
    assert paths.bound_tables(DEFAULT) == ["<results>/heads/mini/d64/bottleneck_bound.parquet"]


def test_checkpoints_on_disk_are_input(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    experiment = with_suite(LOCAL)
    assert paths.checkpoint_files(experiment, "it", "a") == []  # the audit says so
    folder = tmp_path / "runs" / "a" / "step-5"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    assert "runs/a/step-5/model.safetensors" in paths.checkpoint_files(experiment, "it", "a")
    assert paths.checkpoint_files(DEFAULT, "mini", "d64") == []


def test_folders_of_tasks():
    experiment = read_experiment(changed("abilities/tasks", ["cloze", "sciq", "storycloze_2016"]))
    assert paths.task_folders(experiment, "mini") == [
        "<results>/abilities/tasks/mini/cloze",
        "<results>/abilities/data/sciq",
    ]


def test_tables_of_remedies():
    assert paths.tied_tables(read_experiment(changed("tied/remedies", [])), "tied_training") == []
    experiment = read_experiment(changed("tied/training/remedies", ["plain"]))
    assert paths.tied_tables(experiment, "tied_training") == ["<results>/tied/bpe-2k/0/plain/tied_training.parquet"]


def test_controls_have_files_of_their_own():
    positive, negative = "control-positive", "control-negative"
    assert paths.later_tokens(DEFAULT, positive) == paths.token_files(DEFAULT, "python-docs", "bpe-2k")
    assert paths.later_tokens(DEFAULT, negative) == paths.later_tokens(DEFAULT, "mini") == []
    others = paths.measured_tables(DEFAULT, "checkpoint_metrics") + paths.suite_tables_of(DEFAULT, "saturation")
    assert not [path for path in others if "control" in path]
    tables = paths.control_tables(DEFAULT)
    assert tables["saturation"] == [f"<results>/metrics/{suite}/saturation.parquet" for suite in (positive, negative)]
    assert [path.split("/")[2] for path in tables["metrics"]] == [positive, negative]
