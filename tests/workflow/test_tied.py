"""What the config says of the study of shared embeddings."""

import pytest

from scripts.tied.remedies import REMEDIES
from scripts.workflow.configuration import reference_error, schema_error, texts_used
from scripts.workflow.tied import tied_of, tied_tables, tied_tokens, trained_remedies
from tests.workflow.test_configuration import DEFAULT, changed


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("tied/remedies", ["plain", "swapp"], "tied.remedies[1] is 'swapp', did you mean swap?; allowed: "),
        ("tied/initial/sigmas", [0.0], "tied.initial.sigmas[0] is 0.0; allowed: "),
        ("tied/models/families", ["opt"], "tied.models.families[0] is 'opt'"),
        ("tied/training/sigma", 0, "tied.training.sigma is 0; allowed: "),
        ("tied/training/model/depth", 1, "tied.training.model.depth: unknown key"),
    ],
)  # fmt: skip
def test_breaches_of_the_schema(path, value, message):
    assert schema_error(changed(path, value)).startswith(message)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("tied/training/corpus", "python-doc", "tied.training.corpus names 'python-doc', did you mean python-docs?"),
        ("tied/training/tokenizer", "bpe", "tied.training.tokenizer names 'bpe'"),
        ("tied/remedies", ["plain"], "tied.training.remedies names 'scaled'; allowed are those of tied.remedies"),
        ("tied/initial/widths", [15], "tied.initial.widths names 15; allowed with swap or shuffle: even widths"),
        ("tied/training/model/heads", 3, "tied.training has width 64 and 3 heads; allowed: a width that is a multiple"),
        ("tied/models/width", 100, "tied.models has width 100 and 12 heads; allowed: "),
        ("tied/training/steps", [{"first": 9, "last": 3, "every": 1}], "tied.training.steps[0] runs from 9 to 3"),
    ],
)  # fmt: skip
def test_references_that_lead_nowhere(path, value, message):
    assert reference_error(changed(path, value)).startswith(message)


def test_the_schema_knows_every_remedy():
    assert DEFAULT["tied"]["remedies"] == list(REMEDIES)
    for name in REMEDIES:
        assert schema_error(changed("tied/training/remedies", [name])) is None


def test_no_remedies_no_study():
    config = changed("tied/remedies", [])
    assert reference_error(config) is None
    assert trained_remedies(config) == []
    assert tied_tables(config, "tied_training") == []


def test_what_a_training_depends_on():
    config = changed("tied/training/remedies", ["plain"])
    assert tied_of(config) == tied_of(DEFAULT)  # another remedy runs none of the others again
    assert tied_of(DEFAULT)["steps"][-3:] == [100, 150, 200]
    assert tied_tables(config, "tied_training") == ["<results>/tied/plain/tied_training.parquet"]
    assert tied_tokens(config, "bin") == ["<results>/corpus/tokens/python-source/bpe-2k/0.bin"]


def test_its_text_is_in_the_provenance():
    config = changed("tied/training/tokenizer", "bpe-32k")
    config["ngrams"]["tokenizers"] = ["bpe-50k"]
    text = {"corpus": "python-source", "tokenizer": "bpe-32k"}
    assert text in texts_used(config)
    config["tied"]["remedies"] = []
    assert text not in texts_used(config)
