import pytest

from tests.hub_server import HubServer


@pytest.fixture
def hub():
    with HubServer() as server:
        yield server
