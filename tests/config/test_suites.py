"""Suites of checkpoints, as a configuration describes them: models, steps, spans and what the jobs of LM heads get."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm_saturation.config import read_experiment
from lm_saturation.config.heads import HeadsConfig, SweepOptions
from lm_saturation.config.suites import HubLocation, HubSuite, LocalLocation, LocalSuite, TrainedSuite
from tests.config.defaults import CONFIG, DEFAULT, changed, error_of

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
LOCAL = {
    "source": "local",
    "path": "runs/{model}/step-{step}",
    "models": ["a"],
    **{key: HUB[key] for key in ("corpus", "tokenizer")},
}
TRAINED = CONFIG["suites"]["mini"]
POSITIVE = CONFIG["suites"]["control-positive"]


def later(**changes):
    """The positive control with another later text."""
    return POSITIVE | {"later_corpus": POSITIVE["later_corpus"] | changes}


def hub(**changes):
    """The suite on the hub, with changes; None deletes a key."""
    return HubSuite.of({key: value for key, value in (HUB | changes).items() if value is not None})


def test_defaults_are_filled_in():
    suite = LocalSuite.of(LOCAL)
    assert suite.steps == "all"
    assert (suite.dtype, suite.bad_checkpoints) == ("float32", "refuse")


def test_steps_are_listed_once_and_in_order():
    assert hub().step_list == [0, 512, 1000, 2000, 3000, 4000, 5000]
    assert hub(steps=[5, {"first": 4, "last": 7, "every": 2}, 4]).step_list == [4, 5, 6]
    assert hub(steps="all", last_step=9000).step_list is None
    assert hub(steps="all", revision="main").step_list == [0]
    assert hub(steps=[143000], revision="main").step_list == [143000]
    assert hub(steps=[143000], revision="main").single_step == 143000
    assert hub().single_step is None


def test_spans_are_fixed_intervals():
    suite = hub()
    assert suite.spans() == ["0", "1", "2"]
    assert suite.span_steps("1").plain() == {"steps": [2000, 3000], "first": 2000, "last": 4000}
    whole = hub(span=None)
    assert (whole.span_steps("0").steps, whole.span_steps("0").last) == (whole.step_list, None)
    everything = hub(steps="all", last_step=6000)
    assert everything.spans() == ["0", "1", "2", "3"]
    assert everything.span_steps("3").steps is None
    assert everything.span_steps("3").among([5999, 6000, 7000, 8000]) == [6000, 7000]


@given(st.sets(st.integers(0, 10**6), min_size=1), st.integers(1, 10**5), st.integers(0, 10**6))
def test_every_step_is_in_one_span_and_a_new_one_changes_no_other(steps, width, new):
    def spans(listed):
        suite = hub(steps=sorted(listed), span=width)
        return {span: tuple(suite.span_steps(span).steps) for span in suite.spans()}

    before, after = spans(steps), spans(steps | {new})
    assert sorted(step for span in before.values() for step in span) == sorted(steps)
    changed = {span for span in after if before.get(span) != after[span]}
    assert changed <= {str(new // width)}


def test_names_on_the_hub():
    experiment = read_experiment(changed("suites/it", HUB))
    names = {"it/14m": "pythia-14m", "it/1.4b": "pythia-1.4b"}
    assert experiment.hub_names(experiment.suites) == experiment.model_hub_names([*names, "mini/d64"]) == names


def test_tokens_of_a_step():
    mini = TrainedSuite.of(TRAINED)
    assert mini.weights.tokens_per_step == TRAINED["batch_size"] * TRAINED["sequence_length"]
    assert hub(tokens_per_step=2097152).weights.tokens_per_step == 2097152
    assert hub().weights.tokens_per_step is None


def test_locations():
    location = hub().location
    assert isinstance(location, HubLocation)
    assert location.plain() == {key: HUB[key] for key in ("repository", "revision", "source")}
    assert isinstance(LocalSuite.of(LOCAL).location, LocalLocation)
    assert hub(steps=[7], revision="main").location.single_step == 7


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ({**HUB, "corpus": "pile"}, "suites.it.corpus names 'pile'; allowed: python-docs, python-source"),
        ({**HUB, "tokenizer": "bpe4k"}, "suites.it.tokenizer names 'bpe4k', did you mean bpe-4k?; allowed: "),
        ({**HUB, "repository": "EleutherAI/pythia"}, "suites.it.repository is 'EleutherAI/pythia' for several models"),
        ({**LOCAL, "models": ["a", "b"], "path": "runs/{step}"}, "suites.it.path is 'runs/{step}' for several models"),
        ({**HUB, "revision": "main"}, "suites.it.steps names several steps, but 'main' has no {step}"),
        ({**HUB, "steps": "all"}, "suites.it.last_step is missing"),
        ({**HUB, "steps": [{"first": 9, "last": 5, "every": 1}]}, "suites.it.steps[0] runs from 9 to 5"),
        ({**TRAINED, "steps": [0, {"first": 9, "last": 5, "every": 1}]}, "suites.it.steps[1] runs from 9 to 5"),
        (
            {
                **TRAINED,
                "models": {"a": {"width": 20, "layers": 1, "attention_heads": 2, "learning_rate": 1}},
            },
            "suites.it.models.a has width 20 and 2 attention heads; allowed: a width that is a multiple of 8 x ",
        ),
        (later(corpus="python-doc"), "suites.it.later_corpus.corpus names 'python-doc', did you mean python-docs?; "),
        (later(corpus="python-source"), "suites.it.later_corpus.corpus is 'python-source', as the corpus; allowed: "),
        (later(after=0.001), "suites.it.later_corpus.after is 0.001, at step 0 of 200; allowed: a step between"),
        (POSITIVE | {"later_corpus": None}, "suites.it.later_corpus is missing; it is needed where control is "),
        (POSITIVE | {"control": None}, "suites.it.control is None with a later_corpus; allowed: positive"),
        (POSITIVE | {"control": "negative"}, "suites.it.control is 'negative' with a later_corpus; allowed: positive"),
    ],
)
def test_a_suite_that_cannot_be_is_refused_in_one_line(definition, message):
    error = error_of(changed("suites/it", definition))
    assert error.startswith(message), error
    assert "\n" not in error


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ({"source": "hug"}, "suites.it.source is 'hug', did you mean hub?; allowed: train, hub, local"),
        ({**HUB, "models": "14m"}, "suites.it.models is '14m'; allowed: a list"),
        ({**HUB, "models": ["14m", "14m"]}, "suites.it.models is ['14m', '14m']; allowed: a list of different names"),
        ({**HUB, "models": ["a/b"]}, "suites.it.models[0] is 'a/b'; allowed: letters, digits, ., - and _"),
        ({**HUB, "steps": ["1k"]}, "suites.it.steps is ['1k']; allowed: all, or a list of steps and of {first, last"),
        ({**HUB, "steps": []}, "suites.it.steps is []; allowed: all, or a list of steps"),
        ({**HUB, "steps": [-1]}, "suites.it.steps is [-1]; allowed: all, or a list of steps"),
        ({**TRAINED, "steps": "all"}, "suites.it.steps is 'all'; allowed: a list of steps and of {first, last, every}"),
        ({**HUB, "step": []}, "suites.it.step: unknown key, did you mean steps?; allowed: bad_checkpoints, corpus"),
        ({**HUB, "bad_checkpoints": "drop"}, "suites.it.bad_checkpoints is 'drop'; allowed: refuse, skip, flag"),
        ({**HUB, "dtype": "float16"}, "suites.it.dtype is 'float16'"),
        ({**HUB, "span": 0}, "suites.it.span is 0; allowed: at least 1"),
        ({**HUB, "first_token": ""}, "suites.it.first_token is ''; allowed: length at least 1"),
        ({**HUB, "repository": "pythia"}, "suites.it.repository is 'pythia'; allowed: owner/name, as on the hub"),
        ({**HUB, "revision": "step{steps}"}, "suites.it.revision is 'step{steps}'; allowed: a commit, branch or tag, "),
        ({**HUB, "revision": "a b"}, "suites.it.revision is 'a b'; allowed: a commit, branch or tag, with {step}"),
        ({**LOCAL, "path": ""}, "suites.it.path is ''; allowed: length at least 1"),
        ({**TRAINED, "models": {}}, "suites.it.models is {}; allowed: "),
        (later(after=1), "suites.it.later_corpus.after is 1; allowed: below 1"),
        (later(after=0), "suites.it.later_corpus.after is 0; allowed: above 0"),
        (later(before=1), "suites.it.later_corpus.before: unknown key"),
        (
            POSITIVE | {"control": "positiv"},
            "suites.it.control is 'positiv', did you mean positive?; allowed: positive, ",
        ),
        ({**HUB, "control": "negative"}, "suites.it.control: unknown key"),
        ({**TRAINED, "models": {"../x": {}}}, "suites.it.models: '../x' is not a name; allowed: letters, digits"),
        ({**TRAINED, "models": {"a": {"width": 8}}}, "suites.it.models.a.attention_heads is missing"),
    ],
)
def test_a_typo_in_a_suite_is_named(definition, message):
    error = error_of(changed("suites/it", definition))
    assert error.startswith(message), error
    assert "\n" not in error


def test_controls_are_evidence_of_nothing_else():
    assert list(DEFAULT.measured_suites) == ["mini"]
    assert list(DEFAULT.control_suites) == ["control-positive", "control-negative"]
    assert list(read_experiment(changed("checkpoints/suites", ["mini"])).control_suites) == []
    assert DEFAULT.control_suites["control-positive"].later_corpus.first_step(200) == 100
    for path in ("scaling/suites", "abilities/suites"):
        error = error_of(changed(path, ["control-positive"]))
        assert error == f"{path.replace('/', '.')} names 'control-positive'; allowed: mini"
    assert error_of(changed("heads/models", ["control-positive/d16"])).startswith("heads.models names 'control-")


def test_of_controls_only_what_is_shown_is_measured():
    experiment = read_experiment(changed("metrics/unargmaxable", True))
    counted = {name: experiment.metric_options(name).unargmaxable for name in experiment.checkpoints.suites}
    assert counted == {"mini": True, "control-positive": False, "control-negative": False}


def test_texts_of_controls_are_recorded():
    texts = {("python-source", "bpe-2k"), ("python-docs", "bpe-2k")}
    assert texts <= set(DEFAULT.texts())
    assert ("python-docs", "bpe-2k") not in DEFAULT.language_models()


@pytest.mark.parametrize("name", ["{model}-{size}", "{model!x}", "{", "}{model}"])
def test_marks_that_mean_nothing_are_refused(name):
    error = error_of(changed("suites/it", {**HUB, "repository": f"EleutherAI/{name}"}))
    assert error.startswith(f"suites.it.repository is 'EleutherAI/{name}'"), error
    assert "{model}" in error


def test_every_rank_is_in_one_job():
    heads = HeadsConfig(ranks=[64, 1, 8, 2, 16], jobs=2)
    assert heads.job_numbers() == ["0", "1"]
    assert [heads.ranks_of(job) for job in heads.job_numbers()] == [[2, 16], [1, 8, 64]]
    assert HeadsConfig(ranks=[4], jobs=3).job_numbers() == ["0"]


def test_lm_heads_read_as_many_tokens_as_their_suite():
    config = changed("suites/it", HUB | {"sequence_length": 32})
    config["suites"]["other"] = HUB
    config["metrics"]["sequence_length"] = 512
    experiment = read_experiment(config)
    assert [experiment.head_sequence_length(suite) for suite in ("it", "other")] == [32, 512]
    assert [experiment.metric_options(suite).sequence_length for suite in ("it", "other")] == [32, 512]
    config["heads"]["sequence_length"] = 64
    assert read_experiment(config).head_sequence_length("it") == 64


def test_jobs_get_the_options_that_they_depend_on():
    options = DEFAULT.heads.part(SweepOptions, sequence_length=32)
    assert set(SweepOptions.model_fields) == {
        "batch_size",
        "device",
        "initialisations",
        "learning_rates",
        "precision",
        "seed",
        "sequence_length",
        "tokens",
        "trunk_batch_size",
    }
    assert (options.length, options.tokens) == (32, CONFIG["heads"]["tokens"])
