"""Audit of a model's checkpoints before anything is downloaded: which there are, and which are damaged or duplicates.

Published histories are damaged: of pythia-2.8b's 154 revisions 86 serve weights from the end of training, two of
pythia-12b's hold the final model's first shard (github.com/EleutherAI/pythia, issues 205 and 206). The hub names the
sha256 of every file, so this is seen before anything is downloaded.

rows = audit_rows(list_on_hub(location, "70m"))
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lm_saturation.checkpoints.patterns import MARK, folder_of, match_places, match_steps, no_match_error
from lm_saturation.checkpoints.weight_files import (
    WeightFiles,
    choose_weights,
    combined_sha256,
    describe_steps,
    other_weights,
    paths_in,
    weights_at,
)
from lm_saturation.config.suites import AnyLocation, HubLocation, LocalLocation
from lm_saturation.errors import InputError
from lm_saturation.io.hub import Content, file_digest, list_files, list_revisions
from lm_saturation.io.logs import log, progress
from lm_saturation.io.reading import unreadable_named

REQUESTS = 4  # at a time

AuditRow = dict[str, Any]  # of the table `checkpoint_audit`, without suite and model


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as its source holds it."""

    step: int
    revision: str  # branch or tag, or folder or file
    commit: str  # that the branch names now; empty on disk
    files: WeightFiles
    contents: list[Content]  # of its weight files


def audit_model(location: AnyLocation, suite: str, model: str) -> list[AuditRow]:
    """The rows of the table `checkpoint_audit` for a model of a suite from the hub or on disk; they are logged, too.

    Raises InputError if no checkpoint matches the suite's pattern, two are of the same step, or the hub refuses access.
    """
    listing = list_on_hub(location, model) if isinstance(location, HubLocation) else list_on_disk(location, model)
    rows = [{"suite": suite, "model": model, **row} for row in audit_rows(listing)]
    log_audit(rows, f"{suite}/{model}")
    return rows


def list_on_hub(location: HubLocation, model: str) -> list[Checkpoint]:
    """The checkpoints in those branches and tags of a repository that match the suite's pattern.

    There is one request for each, and one for each different index of shards. Raises InputError if none matches, if two
    are of the same step, or if the hub refuses access.
    """
    name, pattern = (text.replace("{model}", model) for text in (location.repository, location.revision))
    single = MARK not in pattern and "*" not in pattern
    revisions = match_steps(pattern, [pattern] if single else list_revisions(name, "model"), location.single_step, name)
    if single and list_files(name, "model", pattern) is None:
        raise no_match_error(pattern, list_revisions(name, "model"), name)
    indices: dict[Content, bytes] = {}
    with ThreadPoolExecutor(REQUESTS) as pool:
        checkpoints = pool.map(lambda step: _checkpoint_on_hub(name, step, revisions[step], indices), revisions)
        return list(progress(checkpoints, f"revisions of {name}", total=len(revisions)))


def _checkpoint_on_hub(name: str, step: int, revision: str, indices: dict[Content, bytes]) -> Checkpoint:
    """A checkpoint; `indices` of shards that have been read, mostly the same for all steps, are kept."""
    if (listing := list_files(name, "model", revision)) is None:  # a branch may vanish meanwhile
        return Checkpoint(step, revision, "", WeightFiles("none", [], [], []), [])
    repository, contents = listing

    def read(file: str) -> bytes:
        if contents[file] not in indices:
            indices[contents[file]] = repository.read(file, contents[file])
        return indices[contents[file]]

    files = choose_weights(contents, read)
    _log_other_weights(files, contents, revision)
    return Checkpoint(step, revision, repository.commit, files, [contents[file] for file in files.weights])


def _log_other_weights(files: WeightFiles, names: Iterable[str], where: str | Path) -> None:
    """Say what a checkpoint without weights holds instead."""
    if not files.weights and (others := other_weights(names)):
        log.warning("%s: no weights that transformers reads, but %s", where, ", ".join(others))


def list_on_disk(location: LocalLocation, model: str) -> list[Checkpoint]:
    """The folders and GGUF files that match the suite's pattern, with the sha256 of their weight files.

    Raises InputError if none matches, or if two are of the same step.
    """
    places = match_places(location.path.replace("{model}", model), location.single_step)
    return [_checkpoint_on_disk(step, places[step]) for step in progress(places, f"checkpoints of {model}")]


def _checkpoint_on_disk(step: int, place: Path) -> Checkpoint:
    """A checkpoint; one that this user may not read is missing."""
    try:
        with unreadable_named(place):
            files, folder = weights_at(place), folder_of(place)
            _log_other_weights(files, [path.relative_to(folder).as_posix() for path in paths_in(folder)], place)
            paths = [folder / name for name in files.weights]
            contents = [Content(path.stat().st_size, "sha256", file_digest(path, "sha256")) for path in paths]
    except InputError as error:
        log.warning(str(error))
        files, contents = WeightFiles("none", [], [], []), []
    return Checkpoint(step, str(place), "", files, contents)


def audit_rows(checkpoints: list[Checkpoint]) -> list[AuditRow]:
    """One row per checkpoint, without suite and model.

    A checkpoint is a duplicate if it shares a weight file with another, even one shard of many.
    """
    holders: dict[str, list[int]] = {}
    for checkpoint in checkpoints:
        for digest in {content.digest for content in checkpoint.contents}:
            holders.setdefault(digest, []).append(checkpoint.step)
    return [_audit_row(checkpoint, holders) for checkpoint in checkpoints]


def _audit_row(checkpoint: Checkpoint, holders: dict[str, list[int]]) -> AuditRow:
    """A row of the table; `holders` are the steps that hold a file, by its digest."""
    files, contents = checkpoint.files, checkpoint.contents
    others = [[step for step in holders[content.digest] if step != checkpoint.step] for content in contents]
    shared = [steps for steps in others if steps]
    return {
        "step": checkpoint.step,
        "revision": checkpoint.revision,
        "commit": checkpoint.commit,
        "format": files.format,
        "weight_files": len(contents),
        "weight_bytes": sum(content.size for content in contents),
        "sha256": combined_sha256(files.weights, contents),
        "shared_files": len(shared),
        "duplicate_of": min(map(min, shared), default=None),
        "status": "duplicate" if shared and files.status == "ok" else files.status,
    }


def log_audit(rows: list[AuditRow], name: str) -> None:
    """Log how many checkpoints there are, and every step that is missing, incomplete or a duplicate."""
    gigabytes, good = sum(row["weight_bytes"] for row in rows) / 1e9, sum(row["status"] == "ok" for row in rows)
    log.info("%s: %d checkpoints, %.2f GB, %d of them ok", name, len(rows), gigabytes, good)
    for status in ("missing", "incomplete"):
        if steps := [row["step"] for row in rows if row["status"] == status]:
            log.warning("%s: %s: %s", name, status, describe_steps(steps))
    for original, duplicates in _duplicates(rows).items():
        log.warning("%s: sharing weight files with step %d: %s", name, original, describe_steps(duplicates))


def _duplicates(rows: Iterable[AuditRow]) -> dict[int, list[int]]:
    """The steps that are duplicates, by the step that they are duplicates of."""
    groups: dict[int, list[int]] = {}
    for row in rows:
        if row["duplicate_of"] is not None:
            groups.setdefault(row["duplicate_of"], []).append(row["step"])
    return groups
