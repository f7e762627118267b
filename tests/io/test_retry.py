"""Retries by a clock that does not wait: seconds without a network, minutes where a fault may pass."""

import errno
import socket
from types import SimpleNamespace

import httpx2
import pytest

from lm_saturation.errors import InputError
from lm_saturation.io import retry
from lm_saturation.io.retry import PAUSES, with_retries


@pytest.fixture
def clock(monkeypatch):
    """The time that is waited, in `passed`."""
    clock = SimpleNamespace(passed=0.0)
    monkeypatch.setattr(retry.time, "sleep", lambda seconds: vars(clock).update(passed=clock.passed + seconds))
    monkeypatch.setattr(retry.time, "monotonic", lambda: clock.passed)
    monkeypatch.setattr(retry, "_reached", set())
    return clock


def connecting(cause, kind=httpx2.ConnectError):
    """A request that fails as the hub's client does when it cannot connect."""

    def request():
        raise kind(str(cause)) from cause

    return request


REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
UNKNOWN = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
UNREACHABLE = OSError(errno.ENETUNREACH, "Network is unreachable")


@pytest.mark.parametrize("cause", [UNKNOWN, UNREACHABLE])
def test_without_a_network_it_is_given_up_in_seconds(clock, cause):
    with pytest.raises(InputError, match=r"^data: \S+ cannot be reached \(.*\); run again where there is a network$"):
        with_retries("data", connecting(cause))
    assert clock.passed < 10


def test_a_firewall_that_drops_all_is_tried_once(clock):
    def request():
        clock.passed += 30
        raise httpx2.ConnectTimeout("timed out")

    with pytest.raises(InputError, match="run again where there is a network"):
        with_retries("data", request)
    assert clock.passed == 30


def test_what_the_client_raises_without_a_name_server_is_known(clock):
    with (
        pytest.raises(InputError, match="run again where there is a network"),
        httpx2.Client(trust_env=False) as client,
    ):
        with_retries("data", lambda: client.get("http://hub.invalid"))


@pytest.mark.parametrize("cause", [REFUSED, UNKNOWN, UNREACHABLE])
def test_faults_that_pass_are_waited_for(clock, cause):
    """Of a server that is started anew in any case; of the network once anything has answered this process."""
    if cause is not REFUSED:
        assert with_retries("data", lambda: "first") == "first"
    answers = iter([*[connecting(cause)] * len(PAUSES), lambda: "there"])
    assert with_retries("data", lambda: next(answers)()) == "there"
    assert clock.passed == sum(PAUSES)


def test_a_network_that_comes_at_once_is_waited_for(clock):
    answers = iter([*[connecting(UNKNOWN)] * 2, lambda: "there"])
    assert with_retries("data", lambda: next(answers)()) == "there"
