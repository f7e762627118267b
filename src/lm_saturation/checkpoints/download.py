"""Download of a span of checkpoints, each in a folder step{step} of its own, in Hugging Face form.

From the hub come only weights and configuration, at the commit that the audit saw, each file checked against the hash
that the hub names. They do not pass through the hub's cache, so that no copy is left when they are deleted after use.
Until the span is complete, its files lie in .partial/ beside its folder: a killed download is resumed. Checkpoints on
disk are linked to.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from lm_saturation.checkpoints.audit import AuditRow
from lm_saturation.checkpoints.patterns import files_at, folder_of
from lm_saturation.checkpoints.weight_files import FORMS, choose_weights, combined_sha256, describe_steps
from lm_saturation.config.steps import SpanSteps
from lm_saturation.config.suites import AnyLocation, BadCheckpoints, HubLocation
from lm_saturation.errors import InputError
from lm_saturation.io.hub import Content, Repository, list_files
from lm_saturation.io.logs import log, progress

NO_WEIGHTS = f"there, but without {FORMS}"


def choose_checkpoints(
    audit: Iterable[AuditRow], span: SpanSteps, bad_checkpoints: BadCheckpoints, name: str
) -> list[AuditRow]:
    """The rows of the `audit` whose checkpoints are to be downloaded.

    With `bad_checkpoints` skip these are the good ones of the span, with flag duplicates as well: nothing says which
    of them is the true one, so all are bad. Raises InputError, naming the steps, if some are bad and that is refused.
    """
    by_step = {row["step"]: row for row in audit}
    bad: dict[str, list[int]] = {}
    chosen = []
    for step in span.among(by_step):
        status = by_step[step]["status"] if step in by_step else "missing"
        if status != "ok":
            no_weights = status == "missing" and step in by_step
            bad.setdefault(NO_WEIGHTS if no_weights else status, []).append(step)
        if status == "ok" or (status == "duplicate" and bad_checkpoints == "flag"):
            chosen.append(by_step[step])
    reasons = "; ".join(f"{status}: {describe_steps(steps)}" for status, steps in bad.items())
    if bad and bad_checkpoints == "refuse":
        raise InputError(f"{name}: {reasons} (see its audit); allowed with bad_checkpoints: skip, or flag")
    if bad:
        log.warning("%s: %s; bad_checkpoints is %s", name, reasons, bad_checkpoints)
    return chosen


def fetch_checkpoints(location: AnyLocation, model: str, rows: list[AuditRow], folder: Path) -> None:
    """Make the folder with the checkpoints of these rows of a model's audit, complete or not at all.

    Raises InputError if a checkpoint cannot be downloaded.
    """
    partial = folder.parent / ".partial" / folder.name
    if isinstance(location, HubLocation):
        download_checkpoints(location.repository.replace("{model}", model), rows, partial)
    else:
        link_checkpoints(rows, partial)
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)
    log.info("%s: %d checkpoints", folder, len(rows))


def download_checkpoints(repository: str, rows: list[AuditRow], folder: Path) -> None:
    """Download the checkpoints into `folder`; of what is there already, their files are kept, all else is removed.

    Raises InputError if the disk is too small, the hub refuses access, or a file is not what the audit saw.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _keep_only(folder, {f"step{row['step']}" for row in rows})
    _check_disk(folder, sum(row["weight_bytes"] for row in rows))
    downloaded: dict[Content, Path] = {}
    for row in progress(rows, f"checkpoints of {repository}"):
        _download_checkpoint(repository, row, folder / f"step{row['step']}", downloaded)


def _check_disk(folder: Path, size: int) -> None:
    """Raise InputError if the disk has no room for what `folder` still lacks of `size` bytes."""
    present = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    needed, free = size - present, shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"{folder}: {needed / 1e9:.1f} GB are to be downloaded, but the disk has {free / 1e9:.1f} GB; "
            "free some, or give the suite a smaller span"
        )


def _download_checkpoint(repository: str, row: AuditRow, folder: Path, downloaded: dict[Content, Path]) -> None:
    """Download a checkpoint; `downloaded` are the files of those before it, which duplicates are linked to."""
    commit, contents = _audited_files(repository, row)
    folder.mkdir(exist_ok=True)
    _keep_only(
        folder,
        {
            *(Path(file).parts[0] for file in contents),
            *(f"{content.digest}.incomplete" for content in contents.values()),
        },
    )
    for file, content in contents.items():
        if content in downloaded and not (folder / file).exists():
            os.link(downloaded[content], folder / file)
        commit.fetch_into(folder, file, content)
        downloaded[content] = folder / file


def _audited_files(repository: str, row: AuditRow) -> tuple[Repository, dict[str, Content]]:
    """The commit that the audit saw, and the files of its checkpoint. Raises InputError if they are gone or differ."""
    listing = list_files(repository, "model", row["commit"])
    if listing is None:
        raise InputError(f"{repository}: the commit {row['commit']} of {row['revision']} is gone; audit it again")
    commit, contents = listing
    files = choose_weights(contents, lambda name: commit.read(name, contents[name]))
    if combined_sha256(files.weights, [contents[file] for file in files.weights]) != row["sha256"]:
        raise InputError(f"{repository}: {row['revision']} is not what the audit saw; audit it again")
    return commit, {file: contents[file] for file in files.needed}


def _keep_only(folder: Path, names: set[str]) -> None:
    """Remove everything else from the folder."""
    for path in folder.iterdir():
        if path.name not in names:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def link_checkpoints(rows: list[AuditRow], folder: Path) -> None:
    """Link to the files of checkpoints on disk from `folder`, one folder per checkpoint."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for row in rows:
        source, target = Path(row["revision"]).resolve(), folder / f"step{row['step']}"
        target.mkdir()
        for file in files_at(source):
            link = target / file.relative_to(folder_of(source))
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(file)
