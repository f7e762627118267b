"""What a configuration may say of what a softmax needs."""

import pytest

from lm_saturation.config import read_experiment
from lm_saturation.config.causes import SearchOptions
from tests.config.defaults import changed, error_of


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("causes/dimensions", [0], "causes.dimensions[0] is 0; allowed: at least 1"),
        ("causes/norm_products", [0.0], "causes.norm_products[0] is 0.0; allowed: "),
        ("causes/starts", ["noise", "noise"], "causes.starts is ['noise', 'noise']; allowed: a list of different"),
        ("causes/trial_iterations", 500, "causes.trial_iterations is 500; allowed: at most the 120 iterations"),
        ("causes/languages/ranks", [100], "causes.languages.ranks names 100; allowed with these contexts"),
        ("causes/rank", 3, "causes.rank: unknown key"),
        ("causes/search/widths", [2], "causes.search.widths[0] is 2; allowed: "),
        ("causes/search/checkpoints", 10, "causes.search.checkpoints is 10; allowed: "),
        ("causes/search/texts", ["python-docs/bpe"], "causes.search.texts names 'bpe'"),
    ],
)
def test_wrong_options_are_one_line(path, value, message):
    assert error_of(changed(path, value)).startswith(message)


def test_texts_are_those_of_the_controls_with_contexts_of_each_length():
    experiment = read_experiment(changed("ngrams/corpora", ["python-docs"]))
    samples = experiment.ngrams.context_samples()
    assert [(sample.tokenizer, sample.order) for sample in samples] == [("bpe-4k", order) for order in "5234"]
    assert {sample.sample_size for sample in samples} == {"100000"}


def test_a_search_does_not_depend_on_what_is_searched():
    one = read_experiment(changed("causes/contexts", 5)).causes.part(SearchOptions)
    assert one == read_experiment(changed("causes/contexts", 6)).causes.part(SearchOptions)


def test_a_search_for_saturation_reads_its_texts():
    experiment = read_experiment(changed("causes/search/texts", ["python-source/bpe-2k"]))
    assert experiment.search_texts == [("python-source", "bpe-2k")]
    assert ("python-source", "bpe-2k") in experiment.texts()
    assert (experiment.search_sample.tokens, experiment.search_sample.sequence_length) == (16384, 32)
    assert read_experiment(changed("metrics/tokens", 900)).search_texts == []
