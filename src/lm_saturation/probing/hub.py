"""Checkpoints in a repository of the Hugging Face hub, fetched one by one into its standard cache."""

import re
from pathlib import Path

from lm_saturation.checkpoints.weight_files import FORMS, choose_weights
from lm_saturation.errors import InputError
from lm_saturation.io.hub import Content, Repository, list_files, list_revisions
from lm_saturation.probing.checkpoints import Checkpoint, choose_steps, step_of

REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt")


def hub_checkpoints(name: str, steps: str | None) -> list[Checkpoint]:
    """The checkpoints of a repository: its main revision, or those revisions whose names say the `steps`.

    Raises InputError if there is no such repository or step, or access is refused.
    """
    if steps is None:
        return [Checkpoint(Path(name), None, lambda: _fetch(name, "main"))]
    named = {revision: step for revision in list_revisions(name, "model") if (step := step_of(revision)) is not None}
    ordered = sorted(named, key=lambda revision: named[revision])
    return choose_steps([_at(name, revision, named[revision]) for revision in ordered], steps)


def _at(name: str, revision: str, step: int) -> Checkpoint:
    return Checkpoint(Path(name), step, lambda: _fetch(name, revision))


def _fetch(name: str, revision: str) -> Path:
    """The folder in the hub's cache with weights, configuration and tokenizer of a revision."""
    listed = list_files(name, "model", revision)
    if listed is None:
        raise InputError(f"{name}: there is no revision {revision}")
    repository, files = listed
    chosen = choose_weights(list(files), lambda path: _read(repository, path, files))
    if chosen.status != "ok":
        raise InputError(f"{name}@{revision}: no weights that are read; allowed: {FORMS}")
    wanted = [*chosen.needed, *(file for file in TOKENIZERS if file in files)]
    folder = {repository.fetch(file)[0] for file in wanted}
    place = min(folder, key=lambda path: len(path.parts)).parent
    return place / chosen.weights[0] if chosen.format == "gguf" else place


def _read(repository: Repository, path: str, files: dict[str, Content]) -> bytes:
    return repository.read(path, files[path])
