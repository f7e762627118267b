"""Patterns of revisions and folders: {step} stands for the digits of a step, * for anything."""

import glob
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from scripts.common.jobs import InputError
from scripts.common.weight_files import choose_weights

MARK = "{step}"  # stands for the step
SHOWN = 3  # names that a message gives as examples


def match_steps(pattern: str, names: Sequence[str], single: int, where: str) -> dict[int, str]:
    """The names that fit the pattern by their step, in order; a pattern without {step} fits one name, of step `single`.

    Raises InputError if none fits, or two are the same step.
    """
    found: dict[int, str] = {}
    for name in names:
        if fit := re.fullmatch(_regular(pattern), name):
            step = int(fit["step"]) if MARK in pattern else single
            if step in found:
                raise InputError(f"{where}: {found[step]} and {name} both fit {pattern!r} as step {step}; narrow it")
            found[step] = name
    if not found:
        nothing_fits(pattern, names, where)
    return dict(sorted(found.items()))


def _regular(pattern: str) -> str:
    """The pattern as a regular expression; where it names the step again, it must be the same."""
    parts = {MARK: r"(?P<step>\d+)", "*": ".*"}
    text = ""
    for part in _split(pattern):
        text += parts.get(part, re.escape(part))
        if part == MARK:
            parts[MARK] = "(?P=step)"
    return text


def _split(pattern: str) -> list[str]:
    return re.split(r"(\{step\}|\*)", pattern)


def nothing_fits(pattern: str, names: Sequence[str], where: str) -> NoReturn:
    """Raise InputError: nothing fits the pattern; some of the names that there are."""
    there = f"{', '.join(names[:SHOWN])} ({len(names)} in all)" if names else "nothing"
    raise InputError(f"{where}: nothing fits the pattern {pattern!r}; there is {there}")


def match_folders(pattern: str, single: int) -> dict[int, Path]:
    """The folders on disk that fit the pattern, by their step, in order. Raises InputError as `match_steps`."""
    parts = ("*" if part in (MARK, "*") else glob.escape(part) for part in _split(pattern))
    names = [name for name in sorted(glob.glob("".join(parts))) if Path(name).is_dir()]
    if not names:
        near = next((place for place in Path(pattern).parents if place.is_dir() and "*" not in str(place)), Path())
        nothing_fits(pattern, sorted(path.name for path in near.iterdir()), str(near))
    return {step: Path(name) for step, name in match_steps(pattern, names, single, "folders").items()}


def folder_files(folder: Path) -> list[Path]:
    """The files of a checkpoint on disk that are read."""
    chosen = choose_weights([file.name for file in folder.iterdir() if file.is_file()])
    return [folder / name for name in [*chosen.others, *chosen.weights]]
