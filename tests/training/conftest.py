import pytest

from tests.training.runs import run_training, write_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    return folder


@pytest.fixture(scope="module")
def later(tmp_path_factory):
    """Another corpus in the same tokens."""
    folder = tmp_path_factory.mktemp("later")
    write_corpus(folder, seed=1)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory, corpus):
    folder = tmp_path_factory.mktemp("training") / "trained"
    run_training(folder, corpus)
    return folder
