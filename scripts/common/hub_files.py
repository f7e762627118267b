"""Files of the Hugging Face hub: of one commit, resumed where they were cut off, checked against the hub's own hashes.

repository = open_repository("EleutherAI/pythia-70m", "model", revision)
path, about = repository.fetch("tokenizer.json")

They lie in the hub's standard cache: what is whole there is not fetched again, not by another run or program either.
Scripts of a repository are never run.
"""

import hashlib
import logging
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from scripts.common.jobs import InputError, ProgressBar, log

PAUSES = (1, 2, 4, 8, 16, 32, 64)  # seconds before each further attempt; a server that names a time gets it
TRANSIENT = {408, 429, 500, 502, 503, 504}  # answers that may be others a little later
CHUNK = 1 << 20  # bytes hashed at a time

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Repository:
    """One commit of a repository of the hub; its `kind` is dataset or model."""

    name: str
    kind: str
    commit: str

    def fetch(self, path: str) -> tuple[Path, dict[str, Any]]:
        """The file on disk, and its record: name, bytes and the hash that the hub names and the file has.

        Raises InputError if there is no such file, it may not be had, or what comes is not what the hub names.
        """
        from huggingface_hub import hf_hub_download, try_to_load_from_cache

        repository: dict[str, Any] = {"repo_id": self.name, "repo_type": self.kind, "revision": self.commit}
        size, algorithm, digest = self._expected(path)
        about = {"name": path, "bytes": size, algorithm: digest}
        found = try_to_load_from_cache(filename=path, **repository)  # a path, or something else if it is not there
        if isinstance(found, str):
            if _digest(Path(found), algorithm) == digest:
                return Path(found), about
            log.warning("%s is damaged; it is fetched again", found)
            Path(found).resolve().unlink()
            Path(found).unlink(missing_ok=True)
        self._fetch_blob(path, size, algorithm, digest)
        whole = patiently(f"{self.name}: {path}", lambda: hf_hub_download(filename=path, **repository))
        return Path(whole), about

    def _expected(self, path: str) -> tuple[int, str, str]:
        """The file's size in bytes, and the algorithm and hexadecimal digest of its hash, as the hub names them."""
        from huggingface_hub import HfApi
        from huggingface_hub.hf_api import RepoFile

        info = patiently(
            f"{self.name}: {path}",
            lambda: HfApi().get_paths_info(self.name, [path], revision=self.commit, repo_type=self.kind),
        )
        if not info or not isinstance(info[0], RepoFile):
            raise InputError(f"{self.name}: there is no file {path} in it at {self.commit}")
        if info[0].lfs:
            return info[0].lfs.size, "sha256", info[0].lfs.sha256
        return info[0].size, "git_sha1", info[0].blob_id

    def _fetch_blob(self, path: str, size: int, algorithm: str, digest: str) -> None:
        """Put the file's content into the cache under its hash, where hf_hub_download finds it.

        That function itself begins a file anew after an interruption; here the part that has come is kept.
        """
        from huggingface_hub import constants
        from huggingface_hub.file_download import repo_folder_name
        from huggingface_hub.utils import WeakFileLock

        folder = repo_folder_name(repo_id=self.name, repo_type=self.kind)
        blob = Path(constants.HF_HUB_CACHE, folder, "blobs", digest)
        lock = Path(constants.HF_HUB_CACHE, ".locks", folder, f"{digest}.lock")
        for place in (blob, lock):
            place.parent.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(lock):  # another job that wants the same file waits
            if blob.exists():
                return
            partial = blob.with_name(f"{digest}.incomplete")
            for _ in range(2):
                patiently(f"{self.name}: {path}", lambda: self._resume(path, size, partial))
                if _digest(partial, algorithm) == digest:
                    partial.replace(blob)
                    return
                partial.unlink()
                log.warning("%s: the %s of %s is not the one that the hub names", self.name, algorithm, path)
        raise InputError(
            f"{self.name}: {path} came twice with another {algorithm} than the hub names; it was removed, run again"
        )

    def _resume(self, path: str, size: int, partial: Path) -> None:
        """Fetch what is missing of the file."""
        from huggingface_hub import hf_hub_url
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import build_hf_headers

        url = hf_hub_url(self.name, path, repo_type=self.kind, revision=self.commit)
        headers = {**build_hf_headers(), "Accept-Encoding": "identity"}  # a part of a compressed answer is of no use
        with partial.open("ab") as file:
            done = file.tell()
            if done > size:
                done = file.truncate(0)
            log.info("fetching %s of %s: %.1f MB, of which %.1f are there", path, self.name, size / 1e6, done / 1e6)
            http_get(
                url,
                file,
                resume_size=done,
                headers=headers,
                expected_size=size,
                displayed_filename=Path(path).name,
                tqdm_class=ProgressBar,
            )


def open_repository(name: str, kind: str, revision: str) -> Repository:
    """The repository at the commit that `revision` names now; a name that can move is logged as a warning.

    Raises InputError if there is no such repository or revision, or it may not be had.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()  # files have one in the log
    log_as_ours("huggingface_hub")
    commit = patiently(
        f"{name}@{revision}", lambda: HfApi().repo_info(name, revision=revision, repo_type=kind, timeout=30).sha
    )
    if not re.fullmatch("[0-9a-f]{40}", revision):
        log.warning("%s: the revision %s can move; it is now %s, pin that", name, revision, commit)
    return Repository(name, kind, str(commit))


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
    """Seconds that the hub asks to wait, 0 if it asks for none."""
    from huggingface_hub.errors import HfHubHTTPError

    for cause in _causes(error):
        if isinstance(cause, HfHubHTTPError) and cause.response.headers.get("Retry-After", "").isdigit():
            return int(cause.response.headers["Retry-After"])
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


def _digest(path: Path, algorithm: str) -> str:
    """The file's hash in hexadecimal: sha256, or git_sha1, the sha1 of a git blob."""
    with path.open("rb") as file:
        if algorithm == "sha256":
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
        while chunk := file.read(CHUNK):
            digest.update(chunk)
        return digest.hexdigest()


def log_as_ours(library: str) -> None:
    """Let what the imported library says go to the job's log, not to the screen."""
    logging.getLogger(library).handlers = [*log.handlers]
