"""Patterns of revisions, folders and files: {step} stands for the digits of a step, * for anything."""

import glob
import re
from collections.abc import Sequence
from pathlib import Path

from lm_saturation.checkpoints.weight_files import weights_at
from lm_saturation.config.steps import MARK
from lm_saturation.errors import InputError
from lm_saturation.io.gguf_file import SUFFIX as GGUF
from lm_saturation.io.names import printable
from lm_saturation.io.reading import unreadable_named

SHOWN = 3  # names that a message gives as examples


def match_steps(pattern: str, names: Sequence[str], single_step: int | None, where: str) -> dict[int, str]:
    """The names that match the pattern, by step and in order of steps.

    A pattern without {step} matches one name, of step `single_step` (0 if None). Raises InputError if none matches, or
    two are of the same step.
    """
    by_step: dict[int, str] = {}
    for name in names:
        if match := re.fullmatch(_regular_expression(pattern), name):
            step = int(match["step"]) if MARK in pattern else single_step or 0
            if step in by_step:
                raise InputError(
                    f"{where}: {by_step[step]} and {name} both match {pattern!r} as step {step}; narrow the pattern"
                )
            by_step[step] = name
    if not by_step:
        raise no_match_error(pattern, names, where)
    return dict(sorted(by_step.items()))


def _regular_expression(pattern: str) -> str:
    """The pattern as a regular expression; where it names the step again, that must be the same."""
    expressions = {MARK: r"(?P<step>\d+)", "*": ".*"}
    text = ""
    for part in _split(pattern):
        text += expressions.get(part, re.escape(part))
        if part == MARK:
            expressions[MARK] = "(?P=step)"
    return text


def _split(pattern: str) -> list[str]:
    return re.split(r"(\{step\}|\*)", pattern)


def no_match_error(pattern: str, names: Sequence[str], where: str) -> InputError:
    """The error to raise where nothing matches the pattern; it shows some of the names that there are."""
    examples = f"{', '.join(names[:SHOWN])} ({len(names)} in all)" if names else "nothing"
    return InputError(f"{where}: nothing matches the pattern {pattern!r}; there is {examples}")


def match_places(pattern: str, single_step: int | None) -> dict[int, Path]:
    """The folders and GGUF files on disk that match the pattern, by step and in order of steps.

    Raises InputError as `match_steps`, and if one's name is not UTF-8 or a folder cannot be read.
    """
    with unreadable_named(pattern):
        return _match_places(pattern, single_step)


def _match_places(pattern: str, single_step: int | None) -> dict[int, Path]:
    if pattern.startswith("~"):
        pattern = str(Path(pattern).expanduser())
    parts = ("*" if part in (MARK, "*") else glob.escape(part) for part in _split(pattern))
    names = [name for name in sorted(glob.glob("".join(parts))) if Path(name).is_dir() or name.endswith(GGUF)]
    if not names:
        parent = next((path for path in Path(pattern).parents if path.is_dir() and "*" not in str(path)), Path())
        raise no_match_error(pattern, sorted(path.name for path in parent.iterdir()), str(parent))
    matches = match_steps(pattern, names, single_step, "checkpoints")
    for name in matches.values():
        if printable(name) != name:  # no table could hold it
            raise InputError(f"{printable(name)}: the name of this checkpoint is not UTF-8; rename it")
    return {step: Path(name) for step, name in matches.items()}


def folder_of(place: Path) -> Path:
    """The folder that holds a checkpoint's files; it may be one file."""
    return place.parent if place.is_file() else place


def files_at(place: Path) -> list[Path]:
    """The files of a checkpoint on disk that are read: its configuration and weights, or its GGUF file."""
    return [folder_of(place) / name for name in weights_at(place).needed]
