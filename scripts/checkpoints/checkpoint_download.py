"""Rule `checkpoint_download`: the checkpoints of a span, each in a folder step{step} of its own, in Hugging Face form.

From the hub come only weights and configuration, at the commit that the audit saw, each file checked against the hash
that the hub names. They do not pass through the hub's cache, so that what is deleted after use is gone. What has come
lies in .partial/ beside the span's folder until all of the span is there: a killed download goes on where it was.
Checkpoints on disk are linked to.
"""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.common.checkpoint_patterns import folder_files
from scripts.common.hub_files import Content, list_files
from scripts.common.jobs import InputError, job, log, progress
from scripts.common.tables import read_table
from scripts.common.weight_files import choose_weights, combined_sha256, describe_steps

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

Row = dict[str, Any]  # of the table `checkpoint_audit`


@dataclass(frozen=True)
class Span:
    """The steps wanted: those named, or all from `first` to below `last`, where None is no bound."""

    steps: list[int] | None
    first: int | None
    last: int | None

    def of(self, known: Iterable[int]) -> list[int]:
        """The steps in order; `known` are those that there are."""
        if self.steps is not None:
            return sorted(self.steps)
        last = float("inf") if self.last is None else self.last
        return [step for step in sorted(known) if (self.first or 0) <= step < last]


def choose_checkpoints(rows: Iterable[Row], span: Span, bad_checkpoints: str, what: str) -> list[Row]:
    """The rows of the audit to fetch: bad ones are refused, or skipped, or flagged; what is not whole is never fetched.

    Of duplicates nothing says which is the true one, so all of them are bad. Raises InputError, naming the steps, if
    bad ones are refused.
    """
    known = {row["step"]: row for row in rows}
    bad: dict[str, list[int]] = {}
    chosen = []
    for step in span.of(known):
        status = known[step]["status"] if step in known else "missing"
        if status != "ok":
            bad.setdefault(status, []).append(step)
        if status == "ok" or (status == "duplicate" and bad_checkpoints == "flag"):
            chosen.append(known[step])
    reasons = "; ".join(f"{status}: {describe_steps(steps)}" for status, steps in bad.items())
    if bad and bad_checkpoints == "refuse":
        raise InputError(f"{what}: {reasons} (see its audit); allowed with bad_checkpoints: skip, or flag")
    if bad:
        log.warning("%s: %s; bad_checkpoints is %s", what, reasons, bad_checkpoints)
    return chosen


def download(name: str, rows: list[Row], folder: Path) -> None:
    """Fetch the checkpoints of the repository into `folder`; what is there already of them is kept, all else removed.

    Raises InputError if the disk is too small, the hub refuses, or what comes is not what the hub names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _keep_only(folder, {f"step{row['step']}" for row in rows})
    there = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    needed, free = sum(row["weight_bytes"] for row in rows) - there, shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"{folder}: {needed / 1e9:.1f} GB are to come, but the disk has {free / 1e9:.1f} GB; "
            "free some, or give the suite a smaller span"
        )
    held: dict[Content, Path] = {}
    for row in progress(rows, f"checkpoints of {name}"):
        _download_one(name, row, folder / f"step{row['step']}", held)


def _download_one(name: str, row: Row, folder: Path, held: dict[Content, Path]) -> None:
    """Fetch a checkpoint; `held` are the weight files fetched before, which duplicates are linked to."""
    listed = list_files(name, "model", row["commit"])
    if listed is None:
        raise InputError(f"{name}: the commit {row['commit']} of {row['revision']} is gone; audit it anew")
    repository, files = listed
    chosen = choose_weights(files)
    if combined_sha256(chosen.weights, [files[file] for file in chosen.weights]) != row["sha256"]:
        raise InputError(f"{name}: {row['revision']} is not what the audit saw; audit it anew")
    folder.mkdir(exist_ok=True)
    wanted = [*chosen.others, *chosen.weights]
    _keep_only(folder, {*wanted, *(f"{files[file].digest}.incomplete" for file in wanted)})
    for file in wanted:
        content = files[file]
        if content in held and not (folder / file).exists():
            os.link(held[content], folder / file)
        repository.fetch_into(folder, file, content)
        held[content] = folder / file


def _keep_only(folder: Path, names: set[str]) -> None:
    for path in folder.iterdir():
        if path.name not in names:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def link(rows: list[Row], folder: Path) -> None:
    """Put links to the files of checkpoints on disk into `folder`, one folder a checkpoint."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for row in rows:
        source, target = Path(row["revision"]).resolve(), folder / f"step{row['step']}"
        target.mkdir()
        for file in folder_files(source):
            (target / file.name).symlink_to(file)


def main(rows: list[Row], output: Path, definition: dict[str, Any], span: Span, model: str, what: str) -> None:
    """Make the folder `output` with the span's checkpoints, whole or not at all.

    Raises InputError if a checkpoint is bad and the suite refuses that, or cannot be had.
    """
    chosen = choose_checkpoints(rows, span, definition["bad_checkpoints"], what)
    unfinished = output.parent / ".partial" / output.name
    if definition["source"] == "local":
        link(chosen, unfinished)
    else:
        download(definition["repository"].replace("{model}", model), chosen, unfinished)
    shutil.rmtree(output, ignore_errors=True)
    unfinished.replace(output)
    log.info("%s: %d checkpoints", what, len(chosen))


if __name__ == "__main__":
    with job(snakemake):
        keys, params = snakemake.wildcards, snakemake.params
        main(
            read_table("checkpoint_audit", snakemake.input.audit).to_pylist(),
            Path(snakemake.output[0]),
            params.definition,
            Span(params.steps, params.first, params.last),
            keys.model,
            f"{keys.suite}/{keys.model}",
        )
