"""Patience with the Hugging Face hub: what it cannot give now is asked again, what it refuses is said in one line."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from scripts.common.jobs import InputError, log

PAUSES = (1, 2, 4, 8, 16, 32, 64)  # seconds before each further attempt; a server that names a time gets it
TRANSIENT = {408, 429, 500, 502, 503, 504}  # answers that may be others a little later

Answer = TypeVar("Answer")


def patiently(what: str, call: Callable[[], Answer]) -> Answer:
    """The result of `call`, tried again after a pause while the hub is busy, down or out of reach.

    Raises InputError, about `what`, if it stays so or if the hub refuses.
    """
    pauses = iter(PAUSES)
    while True:
        try:
            return call()
        except Exception as error:
            reason, pause = _reason(error), next(pauses, None)
            if reason is None:
                raise
            if not _is_transient(error):
                raise InputError(f"{what}: {reason}") from error
            if pause is None:
                raise InputError(f"{what}: {reason}; run again later, what has come is kept") from error
            wait = max(pause, _retry_after(error))
        log.warning("%s: %s; trying again in %d s", what, reason, wait)
        time.sleep(wait)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it came from, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_transient(error: Exception) -> bool:
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    return any(
        isinstance(cause, httpx2.TransportError)
        or (isinstance(cause, HfHubHTTPError) and cause.response.status_code in TRANSIENT)
        or _is_cut(cause)
        for cause in _causes(error)
    )


def _is_cut(error: BaseException) -> bool:
    """Whether it is http_get's word for an answer of another length than announced, which has no class of its own."""
    return type(error) is OSError and str(error).startswith("Consistency check failed")


def _retry_after(error: Exception) -> int:
    """Seconds that the hub asks to wait, or until it lets requests through again; 0 if it says nothing."""
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
    """Why the hub did not give what was asked, in one line; None if it is not the hub's doing."""
    for cause in _causes(error):
        if reason := _reason_of(cause):
            return reason
    return None


def _reason_of(error: BaseException) -> str | None:
    import httpx2
    from huggingface_hub import constants, errors

    login = "with `hf auth login`"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE forbids to ask the hub"
    if isinstance(error, httpx2.TransportError):
        return f"{constants.ENDPOINT} cannot be reached ({type(error).__name__} {error})".replace("\n", " ")
    if _is_cut(error):
        return "the transfer was cut off"
    if isinstance(error, errors.GatedRepoError):
        return f"gated: accept its licence on its page at {constants.ENDPOINT}, then log in {login}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"no such repository at {constants.ENDPOINT}; if it is private, log in {login}"
    if isinstance(error, errors.RevisionNotFoundError):
        return "the repository has no such revision, or no longer"
    if isinstance(error, errors.HfHubHTTPError) and not isinstance(error, errors.EntryNotFoundError):
        return _reason_of_status(error.response.status_code, login)
    return None


def _reason_of_status(status: int, login: str) -> str:
    if status in (401, 403):
        return f"the hub refuses it ({status}): ask for access on its page, then log in {login}"
    if status == 429:
        return f"the hub asks for fewer requests (429); who logs in {login} may make more"
    return f"the hub answers with status {status}"
