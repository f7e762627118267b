"""What a configuration may say of tied embeddings."""

import pytest

from lm_saturation.config import read_experiment
from lm_saturation.config.experiment import TokenizedText
from lm_saturation.config.tied import TiedTrainingOptions
from lm_saturation.tied.remedies import REMEDIES
from tests.config.defaults import CONFIG, DEFAULT, changed, error_of


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("tied/remedies", ["plain", "swapp"], "tied.remedies[1] is 'swapp', did you mean swap?; allowed: "),
        ("tied/initial/sigmas", [0.0], "tied.initial.sigmas[0] is 0.0; allowed: "),
        ("tied/initial/sigmas", [10.5], "tied.initial.sigmas[0] is 10.5; allowed: "),
        ("tied/initial/rows", 1, "tied.initial.rows is 1; allowed: at least 2"),
        ("tied/models/families", ["opt"], "tied.models.families[0] is 'opt'"),
        ("tied/models/layers", [], "tied.models.layers is []; allowed: a list of different whole numbers from 0"),
        ("tied/training/self_logit", 0, "tied.training.self_logit is 0; allowed: "),
        ("tied/training/rate_factors", [0.0], "tied.training.rate_factors[0] is 0.0; allowed: "),
        ("tied/training/seeds", [0, 0], "tied.training.seeds is [0, 0]; allowed: a list of different whole numbers"),
        ("tied/training/model/depth", 1, "tied.training.model.depth: unknown key"),
        ("tied/training/residual_scales", [-1.0], "tied.training.residual_scales[0] is -1.0; allowed: at least 0"),
        ("tied/training/precision", "float16", "tied.training.precision is 'float16', did you mean"),
        ("tied/memory_mb", 10, "tied.memory_mb is 10; allowed: at least 1000"),
    ],
)
def test_values_that_are_not_allowed(path, value, message):
    error = error_of(changed(path, value))
    assert error.startswith(message), error


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("tied/training/corpus", "python-doc", "tied.training.corpus names 'python-doc', did you mean python-docs?"),
        ("tied/training/tokenizers", ["bpe"], "tied.training.tokenizers names 'bpe'"),
        ("tied/remedies", ["plain"], "tied.training.remedies names 'scaled'; allowed are those of tied.remedies"),
        ("tied/initial/widths", [15], "tied.initial.widths names 15; allowed: even widths, with swap or shuffle"),
        (
            "tied/training/model/attention_heads",
            5,
            "tied.training.model has width 24 and 5 attention heads; allowed: a width that is a multiple",
        ),
        ("tied/models/width", 100, "tied.models has width 100 and 12 attention heads; allowed: "),
        ("tied/training/steps", [{"first": 9, "last": 3, "every": 1}], "tied.training.steps[0] runs from 9 to 3"),
    ],
)
def test_values_that_do_not_go_together(path, value, message):
    error = error_of(changed(path, value))
    assert error.startswith(message), error


def test_every_remedy_is_allowed():
    assert CONFIG["tied"]["remedies"] == list(REMEDIES)
    for name in REMEDIES:
        assert error_of(changed("tied/training/remedies", [name])) is None


def test_no_remedies_no_study():
    assert read_experiment(changed("tied/remedies", [])).tied.trained_remedies == []


def test_what_a_training_depends_on():
    fewer = read_experiment(changed("tied/training/remedies", ["plain"])).tied
    options = DEFAULT.tied.training.part(TiedTrainingOptions)
    assert fewer.training.part(TiedTrainingOptions) == options  # another remedy runs none of the others again
    assert options.steps[-3:] == [100, 150, 200]
    assert fewer.trained_remedies == ["plain"]


def test_its_text_is_in_the_provenance():
    config = changed("tied/training/tokenizers", ["bpe-32k"])
    config["ngrams"]["tokenizers"] = ["bpe-50k"]
    text = TokenizedText("python-source", "bpe-32k")
    assert text in read_experiment(config).texts()
    config["tied"]["remedies"] = []
    assert text not in read_experiment(config).texts()
