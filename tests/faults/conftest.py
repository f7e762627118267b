import pytest

from tests.conftest import copy_project, made_once, snakemake
from tests.faults.tiny import ARGUMENTS, configure
from tests.hub_server import HubServer


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A copy of the project with the results of a run that nothing disturbed: look, do not touch."""
    return made_once(tmp_path_factory, "finished", lambda to: snakemake(configure(to), "--cores", "2", *ARGUMENTS))


@pytest.fixture
def tiny(tmp_path):
    """A copy of the project with the same configuration, in which nothing has run."""
    return configure(copy_project(tmp_path / "project"))


@pytest.fixture
def hub():
    with HubServer() as server:
        yield server
