"""Downloads from the Hugging Face hub: of one commit, resumed where they were cut off, checked against its hashes.

repository = open_repository("EleutherAI/pythia-70m", "model", revision)
path, record = repository.fetch("tokenizer.json")

These files lie in the hub's standard cache, so that no run or program downloads them again. Large files that are soon
deleted go to a folder instead:

repository, files = list_files("EleutherAI/pythia-70m", "model", "step1000")
repository.fetch_into(folder, "model.safetensors", files["model.safetensors"])

Scripts of a repository are never run.
"""

import hashlib
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lm_saturation.errors import InputError
from lm_saturation.io.logs import ProgressBar, log, redirect_log
from lm_saturation.io.retry import with_retries

CHUNK = 1 << 20  # bytes hashed at a time


@dataclass(frozen=True)
class Content:
    """What a file must hold: its size in bytes, and its hash in hexadecimal (algorithm sha256 or git_sha1)."""

    size: int
    algorithm: str
    digest: str

    def is_in(self, path: Path) -> bool:
        """Whether the file holds exactly this."""
        return path.stat().st_size == self.size and file_digest(path, self.algorithm) == self.digest


@dataclass(frozen=True)
class Repository:
    """One commit of a repository of the hub; `kind` is dataset or model."""

    name: str
    kind: str
    commit: str

    def fetch(self, path: str) -> tuple[Path, dict[str, Any]]:
        """Path of the file in the hub's cache, and its record: name, bytes, and the hash that hub and file agree on.

        Raises InputError if there is no such file, access is refused, or the file has another hash than the hub names.
        """
        from huggingface_hub import hf_hub_download, try_to_load_from_cache

        repository: dict[str, Any] = {"repo_id": self.name, "repo_type": self.kind, "revision": self.commit}
        content = self._expected(path)
        record = {"name": path, "bytes": content.size, content.algorithm: content.digest}
        cached = try_to_load_from_cache(filename=path, **repository)  # a path, or something else if it is not there
        if isinstance(cached, str):
            if content.is_in(Path(cached)):
                return Path(cached), record
            log.warning("%s is damaged; it is downloaded again", cached)
            Path(cached).resolve().unlink()
            Path(cached).unlink(missing_ok=True)
        self._fetch_blob(path, content)
        cached = with_retries(f"{self.name}: {path}", lambda: hf_hub_download(filename=path, **repository))
        return Path(cached), record

    def fetch_into(self, folder: Path, path: str, content: Content) -> None:
        """Download the file into `folder`, outside the cache. It has its name only when it is complete.

        A file that is there already is kept if its hash is right. Raises InputError as `fetch`.
        """
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            if content.is_in(target):
                return
            log.warning("%s is damaged; it is downloaded again", target)
            target.unlink()
        self._fetch_to(target, path, content)

    def read(self, path: str, content: Content) -> bytes:
        """What a small file holds; nothing of it is kept on disk. Raises InputError as `fetch`."""
        with tempfile.TemporaryDirectory() as folder:
            self.fetch_into(Path(folder), path, content)
            return Path(folder, path).read_bytes()

    def _expected(self, path: str) -> Content:
        """What the file holds, as the hub says."""
        from huggingface_hub import HfApi
        from huggingface_hub.hf_api import RepoFile

        info = with_retries(
            f"{self.name}: {path}",
            lambda: HfApi().get_paths_info(self.name, [path], revision=self.commit, repo_type=self.kind),
        )
        if not info or not isinstance(info[0], RepoFile):
            raise InputError(f"{self.name}: there is no file {path} in it at {self.commit}")
        return _content(info[0])

    def _fetch_blob(self, path: str, content: Content) -> None:
        """Download the file's content into the cache under its hash, where hf_hub_download finds it.

        That function itself starts a file again after an interruption; here the part that has come is kept.
        """
        from huggingface_hub import constants
        from huggingface_hub.file_download import repo_folder_name
        from huggingface_hub.utils import WeakFileLock

        folder = repo_folder_name(repo_id=self.name, repo_type=self.kind)
        blob = Path(constants.HF_HUB_CACHE, folder, "blobs", content.digest)
        lock = Path(constants.HF_HUB_CACHE, ".locks", folder, f"{content.digest}.lock")
        for file in (blob, lock):
            file.parent.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(lock):  # another job that wants the same file waits
            if not blob.exists():
                self._fetch_to(blob, path, content)

    def _fetch_to(self, target: Path, path: str, content: Content) -> None:
        """Download the rest of the file under a temporary name beside `target`, and rename it if its hash is right."""
        partial = target.with_name(f"{content.digest}.incomplete")
        for _ in range(2):
            with_retries(f"{self.name}: {path}", lambda: self._resume(path, content.size, partial))
            if content.is_in(partial):
                partial.replace(target)
                return
            partial.unlink()
            log.warning("%s: the %s of %s is not the one that the hub names", self.name, content.algorithm, path)
        raise InputError(
            f"{self.name}: {path} came twice with another {content.algorithm} than the hub names; "
            "it was removed, run again"
        )

    def _resume(self, path: str, size: int, partial: Path) -> None:
        """Download the rest of the file, from where an earlier download was cut off."""
        from huggingface_hub import hf_hub_url
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import build_hf_headers

        url = hf_hub_url(self.name, path, repo_type=self.kind, revision=self.commit)
        headers = {**build_hf_headers(), "Accept-Encoding": "identity"}  # a part of a compressed answer is useless
        with partial.open("ab") as file:
            done = file.tell()
            if done > size:
                done = file.truncate(0)
            log.info("downloading %s of %s: %.1f MB, of which %.1f are there", path, self.name, size / 1e6, done / 1e6)
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
    """The repository at the commit that `revision` names now; a branch or tag, which can move, is logged as a warning.

    Raises InputError if there is no such repository or revision, or access is refused.
    """
    from huggingface_hub import HfApi

    redirect_hub_log()
    commit = with_retries(
        f"{name}@{revision}", lambda: HfApi().repo_info(name, revision=revision, repo_type=kind, timeout=30).sha
    )
    if not re.fullmatch("[0-9a-f]{40}", revision):
        log.warning("%s: the revision %s can move; it is now %s, pin that", name, revision, commit)
    return Repository(name, kind, str(commit))


def list_revisions(name: str, kind: str) -> list[str]:
    """The names of the repository's branches and tags. Raises InputError if there is none, or access is refused."""
    from huggingface_hub import HfApi

    redirect_hub_log()
    refs = with_retries(name, lambda: HfApi().list_repo_refs(name, repo_type=kind))
    return list(dict.fromkeys(ref.name for ref in [*refs.branches, *refs.tags]))


def list_files(name: str, kind: str, revision: str) -> tuple[Repository, dict[str, Content]] | None:
    """The repository at the commit that `revision` names now, and what its files hold by path, in one request.

    None if there is no such revision. Raises InputError if there is no such repository, or access is refused.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RevisionNotFoundError

    def request() -> Any:
        try:
            return HfApi().repo_info(name, revision=revision, repo_type=kind, timeout=30, files_metadata=True)
        except RevisionNotFoundError:
            return None

    redirect_hub_log()
    info = with_retries(f"{name}@{revision}", request)
    if info is None:
        return None
    return Repository(name, kind, info.sha), {file.rfilename: _content(file) for file in info.siblings or ()}


def _content(file: Any) -> Content:
    """What a file of a listing holds: large files have a sha256, others the hash of a git blob.

    Raises InputError if the hub names no such hash, because files are stored under it.
    """
    size, algorithm, digest = (
        (file.lfs.size, "sha256", file.lfs.sha256) if file.lfs else (file.size, "git_sha1", file.blob_id)
    )
    if not re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", str(digest)):
        raise InputError(f"{file.rfilename}: the hub names {str(digest)[:80]!r} as its {algorithm}")
    return Content(size, algorithm, digest)


def file_digest(path: Path, algorithm: str) -> str:
    """The file's hash in hexadecimal: sha256, or git_sha1, the sha1 of a git blob."""
    with path.open("rb") as file:
        if algorithm == "sha256":
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
        while chunk := file.read(CHUNK):
            digest.update(chunk)
        return digest.hexdigest()


def redirect_hub_log() -> None:
    """Send what the hub's client logs to the job's log only."""
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()  # files have one in the log
    redirect_log("huggingface_hub")
