"""Rule `checkpoint_audit`: which checkpoints of a model its source holds, and which are not what they are called.

Published histories are damaged: of pythia-2.8b's 154 revisions 86 serve weights from the end of training, two of
pythia-12b's hold the final model's first shard (github.com/EleutherAI/pythia, issues 205 and 206). The hub names the
sha256 of every file, so this is seen before anything is downloaded.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.common.checkpoint_patterns import MARK, match_folders, match_steps, nothing_fits
from scripts.common.hub_files import Content, file_digest, list_files, list_revisions
from scripts.common.jobs import job, log, progress
from scripts.common.tables import write_tables
from scripts.common.weight_files import Weights, choose_weights, combined_sha256, describe_steps
from scripts.workflow.suites import steps_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

REQUESTS = 4  # at a time


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as its source has it."""

    step: int
    revision: str  # branch or tag, or folder
    commit: str  # that the branch names now; empty on disk
    weights: Weights
    contents: list[Content]  # of its weight files


def find_on_hub(definition: dict[str, Any], model: str) -> list[Checkpoint]:
    """The checkpoints in the branches and tags of a model's repository that fit the suite's pattern; a request each.

    Raises InputError if none fits, if two are the same step, or the hub refuses.
    """
    name, pattern = (definition[key].replace("{model}", model) for key in ("repository", "revision"))
    names = list_revisions(name, "model") if MARK in pattern or "*" in pattern else [pattern]
    steps = match_steps(pattern, names, single_step(definition), name)

    def ask(step: int) -> Checkpoint:
        repository, files = list_files(name, "model", steps[step]) or (None, {})  # a branch may vanish meanwhile
        weights, commit = choose_weights(files), repository.commit if repository else ""
        return Checkpoint(step, steps[step], commit, weights, [files[file] for file in weights.weights])

    if names == [pattern] and list_files(name, "model", pattern) is None:
        nothing_fits(pattern, list_revisions(name, "model"), name)
    with ThreadPoolExecutor(REQUESTS) as pool:
        return list(progress(pool.map(ask, steps), f"revisions of {name}", total=len(steps)))


def find_on_disk(definition: dict[str, Any], model: str) -> list[Checkpoint]:
    """The checkpoints in the folders that fit the suite's pattern, their weight files hashed.

    Raises InputError if none fits or two are the same step.
    """
    folders = match_folders(definition["path"].replace("{model}", model), single_step(definition))
    return [_on_disk(step, folders[step]) for step in progress(folders, f"folders of {model}")]


def _on_disk(step: int, folder: Path) -> Checkpoint:
    weights = choose_weights([file.name for file in folder.iterdir() if file.is_file()])
    files = [folder / name for name in weights.weights]
    contents = [Content(file.stat().st_size, "sha256", file_digest(file, "sha256")) for file in files]
    return Checkpoint(step, str(folder), "", weights, contents)


def single_step(definition: dict[str, Any]) -> int:
    """The step of a suite's single checkpoint."""
    return (steps_of(definition) or [0])[0]


def audit(found: list[Checkpoint]) -> dict[str, Any]:
    """The columns of the table `checkpoint_audit`, but its keys.

    A checkpoint is a duplicate if it shares a weight file with another, even one shard of many.
    """
    holders: dict[str, list[int]] = {}
    for one in found:
        for digest in {content.digest for content in one.contents}:
            holders.setdefault(digest, []).append(one.step)
    rows = [_row(one, holders) for one in found]
    return {column: [row[column] for row in rows] for column in rows[0]}


def _row(one: Checkpoint, holders: dict[str, list[int]]) -> dict[str, Any]:
    """A row of the table; `holders` are the steps that have a file, by its digest."""
    others = [[step for step in holders[content.digest] if step != one.step] for content in one.contents]
    shared = [steps for steps in others if steps]
    status = one.weights.status
    return {
        "step": one.step,
        "revision": one.revision,
        "commit": one.commit,
        "format": one.weights.format,
        "weight_files": len(one.contents),
        "weight_bytes": sum(content.size for content in one.contents),
        "sha256": combined_sha256(one.weights.weights, one.contents),
        "shared_files": len(shared),
        "duplicate_of": min(map(min, shared), default=None),
        "status": "duplicate" if shared and status == "ok" else status,
    }


def log_summary(columns: dict[str, Any], what: str) -> None:
    """Say in the log what was found, and every step that is not as it should be."""
    steps, status = columns["step"], columns["status"]
    gigabytes = sum(columns["weight_bytes"]) / 1e9
    log.info("%s: %d checkpoints, %.2f GB, %d of them ok", what, len(steps), gigabytes, status.count("ok"))
    for state in ("missing", "incomplete"):
        if there := [step for step, one in zip(steps, status, strict=True) if one == state]:
            log.warning("%s: %s: %s", what, state, describe_steps(there))
    groups: dict[int, list[int]] = {}
    for step, original in zip(steps, columns["duplicate_of"], strict=True):
        if original is not None:
            groups.setdefault(original, []).append(step)
    for original, twins in groups.items():
        log.warning("%s: sharing weight files with step %d: %s", what, original, describe_steps(twins))


def main(definition: dict[str, Any], suite: str, model: str) -> dict[str, Any]:
    """The columns of the table `checkpoint_audit` for a model of a suite that comes from the hub or lies on disk."""
    find = find_on_hub if definition["source"] == "hub" else find_on_disk
    found = find(definition, model)
    columns = audit(found)
    log_summary(columns, f"{suite}/{model}")
    return {"suite": suite, "model": model, **columns}


if __name__ == "__main__":
    with job(snakemake):
        found = main(snakemake.params.definition, snakemake.wildcards.suite, snakemake.wildcards.model)
        write_tables("checkpoint_audit", snakemake.output[0], [found])
