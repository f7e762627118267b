"""Retries of requests to the Hugging Face hub, and its refusals in one line.

with_retries("EleutherAI/pythia-70m", lambda: HfApi().repo_info("EleutherAI/pythia-70m"))
"""

import errno
import socket
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from lm_saturation.errors import InputError
from lm_saturation.io.logs import log

PAUSES = (1, 2, 4, 8, 16, 32, 64)  # seconds before each retry; if the server names a time, at least that
TRANSIENT = {408, 429, 500, 502, 503, 504}  # status codes that are worth a retry
OFFLINE = 5  # seconds after which the hub is given up where no network leads to it
NO_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}
LOGIN = "with `hf auth login`"

Result = TypeVar("Result")


def with_retries(what: str, request: Callable[[], Result]) -> Result:
    """The result of `request`, retried after a pause while the hub is busy, down or out of reach.

    Of a process that has never reached it, it is given up after seconds where there is no network. Raises InputError,
    which begins with `what`, if all retries fail or the hub refuses the request.
    """
    pauses, begin = iter(PAUSES), time.monotonic()
    while True:
        try:
            result = request()
            _reached.add(True)
            return result
        except Exception as error:
            reason, pause = _reason(error), next(pauses, None)
            if reason is None:
                raise
            if not _is_transient(error):
                raise InputError(f"{what}: {reason}") from error
            if not _has_network(error) and time.monotonic() - begin > OFFLINE:
                raise InputError(f"{what}: {reason}; run again where there is a network") from error
            if pause is None:
                raise InputError(f"{what}: {reason}; run again later, what has come is kept") from error
            wait = max(pause, _retry_after(error))
        log.warning("%s: %s; retrying in %d s", what, reason, wait)
        time.sleep(wait)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, the error that caused it, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


_reached: set[bool] = set()  # holds True once anything has answered this process


def _has_network(error: Exception) -> bool:
    """Whether an error can pass: anything has answered, or there is a way to where nothing answers now."""
    import httpx2

    causes = list(_causes(error))
    if not any(isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout) for cause in causes):
        _reached.add(True)
    no_way = (socket.gaierror, httpx2.ConnectTimeout)
    return bool(_reached) or not any(
        isinstance(cause, no_way) or (isinstance(cause, OSError) and cause.errno in NO_ROUTE) for cause in causes
    )


def _is_transient(error: Exception) -> bool:
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    return any(
        isinstance(cause, httpx2.TransportError)
        or (isinstance(cause, HfHubHTTPError) and cause.response.status_code in TRANSIENT)
        or _is_cut_off(cause)
        for cause in _causes(error)
    )


def _is_cut_off(error: BaseException) -> bool:
    """Whether http_get says that an answer is not as long as announced; that error has no class of its own."""
    return type(error) is OSError and str(error).startswith("Consistency check failed")


def _retry_after(error: Exception) -> int:
    """Seconds that the hub asks to wait, or until its rate limit is reset; 0 if it names none."""
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import parse_ratelimit_headers

    for cause in _causes(error):
        if isinstance(cause, HfHubHTTPError):
            headers = cause.response.headers
            if headers.get("Retry-After", "").isdigit():
                return int(headers["Retry-After"])
            limit = parse_ratelimit_headers(headers)
            return limit.reset_in_seconds if limit and cause.response.status_code == 429 else 0
    return 0


def _reason(error: Exception) -> str | None:
    """Why the request failed, in one line; None if that has nothing to do with the hub."""
    return next((reason for cause in _causes(error) if (reason := _reason_of(cause))), None)


def _reason_of(error: BaseException) -> str | None:
    import httpx2
    from huggingface_hub import constants, errors

    if isinstance(error, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE forbids requests to the hub"
    if isinstance(error, httpx2.TransportError):
        return f"{constants.ENDPOINT} cannot be reached ({type(error).__name__} {error})".replace("\n", " ")
    if _is_cut_off(error):
        return "the transfer was cut off"
    if isinstance(error, errors.GatedRepoError):
        return f"gated: accept its licence on its page at {constants.ENDPOINT}, then log in {LOGIN}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"no such repository at {constants.ENDPOINT}; if it is private, log in {LOGIN}"
    if isinstance(error, errors.RevisionNotFoundError):
        return "the repository has no such revision, or no longer"
    if isinstance(error, errors.HfHubHTTPError) and not isinstance(error, errors.EntryNotFoundError):
        return _reason_of_status(error.response.status_code)
    return None


def _reason_of_status(status: int) -> str:
    if status in (401, 403):
        return f"the hub refuses it ({status}): ask for access on its page, then log in {LOGIN}"
    if status == 429:
        return f"the hub asks for fewer requests (429); its limit is higher if you log in {LOGIN}"
    return f"the hub answers with status {status}"
