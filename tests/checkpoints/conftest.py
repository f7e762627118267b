import pytest

from scripts.checkpoints.checkpoint_train import main
from tests.checkpoints.runs import arguments, write_corpus
from tests.hub_server import HubServer


@pytest.fixture
def hub():
    with HubServer() as server:
        yield server


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory, corpus):
    folder = tmp_path_factory.mktemp("trained")
    main(*arguments(folder, corpus))
    return folder
