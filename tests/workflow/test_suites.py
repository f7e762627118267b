import copy
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scripts.workflow.configuration import fill_defaults, reference_error, schema_error
from scripts.workflow.suites import (
    earlier_span,
    final_span,
    final_step,
    head_jobs,
    held_out_of,
    hub_names,
    ranks_of,
    span_steps,
    steps_of,
    suite_spans,
    swept_of,
    tokens_per_step,
)

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text())
HUB = {
    "source": "hub",
    "repository": "EleutherAI/pythia-{model}",
    "revision": "step{step}",
    "corpus": "python-docs",
    "tokenizer": "bpe-4k",
    "models": ["14m", "1.4b"],
    "steps": [0, 512, {"first": 1000, "last": 5000, "every": 1000}],
    "span": 2000,
}
LOCAL = {"source": "local", "path": "runs/{model}/step-{step}", **{key: HUB[key] for key in ("corpus", "tokenizer")}}


def with_suite(**definition):
    """The default configuration with a suite `it`, as the Snakefile has it: checked and with its defaults."""
    config = copy.deepcopy(DEFAULT)
    config["suites"]["it"] = {key: value for key, value in definition.items() if value is not None}
    assert schema_error(config) is None
    fill_defaults(config)
    return config


def test_defaults_are_filled_in():
    suite = with_suite(**LOCAL, models=["a"])["suites"]["it"]
    assert suite["steps"] == "all"
    assert (suite["dtype"], suite["bad_checkpoints"]) == ("float32", "refuse")


def test_steps_are_listed_once_and_in_order():
    assert steps_of(HUB) == [0, 512, 1000, 2000, 3000, 4000, 5000]
    assert steps_of({**HUB, "steps": [5, {"first": 4, "last": 7, "every": 2}, 4]}) == [4, 5, 6]
    assert steps_of({**HUB, "steps": "all"}) is None
    assert steps_of({**HUB, "steps": "all", "revision": "main"}) == [0]
    assert steps_of({**HUB, "steps": [143000], "revision": "main"}) == [143000]


def test_spans_are_fixed_intervals():
    config = with_suite(**HUB)
    assert suite_spans(config, "it") == ["0", "1", "2"]
    assert span_steps(config, "it", "1") == {"steps": [2000, 3000], "first": 2000, "last": 4000}
    assert span_steps(with_suite(**{**HUB, "span": None}), "it", "0") == {
        "steps": steps_of(HUB),
        "first": 0,
        "last": None,
    }
    everything = with_suite(**{**HUB, "steps": "all", "last_step": 6000})
    assert suite_spans(everything, "it") == ["0", "1", "2", "3"]
    assert span_steps(everything, "it", "3")["steps"] is None


@given(st.sets(st.integers(0, 10**6), min_size=1), st.integers(1, 10**5), st.integers(0, 10**6))
def test_every_step_is_in_one_span_and_a_new_one_changes_no_other(steps, width, new):
    def spans(listed):
        config = {"suites": {"it": {**HUB, "steps": sorted(listed), "span": width}}}
        return {span: tuple(span_steps(config, "it", span)["steps"]) for span in suite_spans(config, "it")}

    before, after = spans(steps), spans(steps | {new})
    assert sorted(step for span in before.values() for step in span) == sorted(steps)
    changed = {span for span in after if before.get(span) != after[span]}
    assert changed <= {str(new // width)}


def test_a_span_waits_until_the_one_before_the_prefetched_is_gone():
    config = with_suite(**HUB)
    config["checkpoints"]["prefetch"] = 2
    assert [earlier_span(config, "it", span) for span in ("0", "1", "2")] == [[], [], ["0"]]
    config["checkpoints"]["prefetch"] = 1
    assert [earlier_span(config, "it", span) for span in ("0", "1", "2")] == [[], ["0"], ["1"]]


def test_names_on_the_hub():
    assert hub_names(with_suite(**HUB)) == {"it/14m": "pythia-14m", "it/1.4b": "pythia-1.4b"}


def test_tokens_of_a_step():
    mini = DEFAULT["suites"]["mini"]
    assert tokens_per_step(mini) == mini["batch_size"] * mini["sequence_length"]
    assert tokens_per_step({**HUB, "tokens_per_step": 2097152}) == 2097152
    assert tokens_per_step(HUB) is None


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ({**HUB, "corpus": "pile"}, "suites.it.corpus names 'pile'; allowed: python-docs, python-source"),
        ({**HUB, "tokenizer": "bpe4k"}, "suites.it.tokenizer names 'bpe4k', did you mean bpe-4k?; allowed: "),
        ({**HUB, "repository": "EleutherAI/pythia"}, "suites.it.repository is 'EleutherAI/pythia' for several models"),
        ({**HUB, "revision": "main"}, "suites.it.steps names several steps, but 'main' has no {step}"),
        ({**HUB, "steps": "all"}, "suites.it.last_step is missing"),
        ({**HUB, "steps": [{"first": 9, "last": 5, "every": 1}]}, "suites.it.steps[0] runs from 9 to 5"),
        (
            {**DEFAULT["suites"]["mini"], "models": {"a": {"width": 20, "layers": 1, "heads": 2, "learning_rate": 1}}},
            "suites.it.models.a has width 20 and 2 heads; allowed: a width that is a multiple of 8 x heads",
        ),
    ],
)
def test_a_suite_that_cannot_be_is_refused_in_one_line(definition, message):
    error = reference_error(with_suite(**definition))
    assert error.startswith(message)
    assert "\n" not in error


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ({"source": "hug"}, "suites.it.source is 'hug', did you mean hub?; allowed: train, hub, local"),
        ({**HUB, "models": "14m"}, "suites.it.models is '14m'; allowed: a list of different names"),
        ({**HUB, "steps": ["1k"]}, "suites.it.steps is ['1k']; allowed: all, or a list of steps and of {first, last"),
        ({**HUB, "step": []}, "suites.it.step: unknown key, did you mean steps?; allowed: bad_checkpoints, corpus"),
        ({**HUB, "bad_checkpoints": "drop"}, "suites.it.bad_checkpoints is 'drop'; allowed: refuse, skip, flag"),
        ({**HUB, "dtype": "float16"}, "suites.it.dtype is 'float16'"),
        ({**HUB, "repository": "pythia"}, "suites.it.repository is 'pythia'; allowed: owner/name, as on the hub"),
    ],
)
def test_a_typo_in_a_suite_is_named(definition, message):
    config = copy.deepcopy(DEFAULT)
    config["suites"]["it"] = definition
    assert schema_error(config).startswith(message)


def test_every_rank_is_in_one_job():
    config = {"heads": {"ranks": [64, 1, 8, 2, 16], "jobs": 2}}
    assert head_jobs(config) == ["0", "1"]
    assert [ranks_of(config, job) for job in head_jobs(config)] == [[2, 16], [1, 8, 64]]
    assert head_jobs({"heads": {"ranks": [4], "jobs": 3}}) == ["0"]


@pytest.mark.parametrize(
    ("definition", "step", "span"),
    [
        ({"source": "train", "steps": [0, {"first": 10, "last": 35, "every": 10}]}, 30, "0"),
        ({"source": "hub", "revision": "step{step}", "steps": [0, 500, 143000], "span": 20000}, 143000, "7"),
        ({"source": "hub", "revision": "step{step}", "steps": "all", "span": 20000, "last_step": 90000}, None, "4"),
        ({"source": "local", "path": "runs/{step}", "steps": "all"}, None, "0"),
        ({"source": "hub", "revision": "main", "steps": "all"}, 0, "0"),
    ],
)
def test_the_final_checkpoint_of_a_suite(definition, step, span):
    config = {"suites": {"s": definition}}
    assert final_step(config, "s") == step
    assert final_span(config, "s", "m") == f"<results>/checkpoints/s/m/{span}"


def test_heads_read_as_many_tokens_as_their_suite():
    config = {"suites": {"s": {"sequence_length": 32}, "t": {}}, "metrics": {"sequence_length": 512}}
    config["heads"] = {"tokens": 9, "jobs": 2, "threads": 1, "models": []}
    assert swept_of(config, "s") == {"sequence_length": 32, "tokens": 9}
    assert swept_of(config, "t")["sequence_length"] == 512
    config["heads"]["sequence_length"] = 64
    assert held_out_of(config, "s") == {"sequence_length": 64}
