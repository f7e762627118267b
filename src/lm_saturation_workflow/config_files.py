"""What is wrong with a config file, in one line: Snakemake does not say where a file is no YAML, or prints a traceback.

Of a key that stands twice Snakemake takes the last, without a word; `refuse_duplicate_keys` says so from the Snakefile.

`config_error` asks Snakemake (9.27) itself which files the command line and its profiles name.
"""

import io
import json
import sys
from collections.abc import Iterable
from contextlib import redirect_stderr, suppress
from pathlib import Path

import yaml

ALLOWED = "allowed is a file of YAML or JSON, in UTF-8, with keys at its top level, none of them twice"


def config_error(folder: Path) -> str | None:
    """What is wrong with the config files of this process, a Snakemake that was started in the folder.

    None if all can be read.
    """
    from snakemake.cli import parse_args

    try:
        with redirect_stderr(io.StringIO()):  # it names the profile, as it did before
            _, arguments = parse_args(None)
    except SystemExit:  # this is no command line of Snakemake's
        return None
    own = Path(arguments.directory or "", "config.yaml")  # the Snakefile names it, after those of the command line
    if not (folder / own).exists() and arguments.snakefile:
        own = Path(arguments.snakefile).with_name("config.yaml")
    faults = (file_error(file, folder) for file in (*arguments.configfile, own))
    return next(filter(None, faults), None)


def default_config(project: Path) -> str:
    """The config.yaml of the working directory; where that has none, the one of the project's folder."""
    own = project / "config.yaml"
    return str(own.resolve()) if own.exists() and not Path("config.yaml").exists() else "config.yaml"


def file_error(file: Path, folder: Path = Path()) -> str | None:
    """What is wrong with a config file: its name, the place in it, what is allowed. None if it can be read."""
    try:
        data = (folder / file).read_bytes()
    except OSError as error:
        return f"config: {file}: {_unopened(error, folder / file)}"
    try:
        content = _content(data, is_json=file.suffix == ".json")
    except _BrokenError as error:
        return f"config: {file}, {error}; {ALLOWED}"
    return None if isinstance(content, dict) else f"config: {file}: {_kind(content)}; {ALLOWED}"


def refuse_duplicate_keys(files: Iterable[str]) -> None:
    """End the program with one line if a config file, which Snakemake has read, holds a key twice."""
    for file in files:
        try:
            _refuse_duplicates(Path(file).read_text(encoding="utf-8"))
        except _BrokenError as error:
            path = Path(file)
            shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
            sys.exit(f"config: {shown}, {error}; {ALLOWED}")
        except (OSError, ValueError, yaml.YAMLError):  # it lies elsewhere, or is JSON: Snakemake has read it
            continue


class _BrokenError(Exception):
    """A place, and what is wrong there."""

    def __init__(self, line: int, column: int, problem: str) -> None:
        super().__init__(f"line {line}, column {column}: {' '.join(problem.split())}")


def _content(data: bytes, is_json: bool) -> object:
    """What Snakemake would make of the file. Raises _BrokenError if it is neither JSON nor YAML."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        raise _BrokenError(*_place(before), f"byte 0x{data[error.start]:02x} is no UTF-8") from None
    try:
        content = json.loads(text)
        with suppress(yaml.YAMLError):  # what is JSON and no YAML is rare
            _refuse_duplicates(text)
        return content
    except json.JSONDecodeError as error:
        if is_json:
            raise _BrokenError(error.lineno, error.colno, error.msg) from None
    try:
        content = yaml.load(text, yaml.FullLoader)
        _refuse_duplicates(text)
        return content
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        raise _BrokenError(line + 1, column + 1, error.problem or str(error)) from None
    except yaml.reader.ReaderError as error:
        place = _place(text[: error.position])
        raise _BrokenError(*place, f"character U+{error.character:04X} is not allowed") from None


def _duplicate_key(document: yaml.Node | None) -> yaml.Node | None:
    """The first key of a document, as its nodes, that stands twice in a mapping. Aliases are followed once."""
    waiting, visited = [document], set()
    while waiting:
        node = waiting.pop()
        if id(node) in visited or not isinstance(node, yaml.CollectionNode):
            continue
        visited.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += reversed(node.value)
            continue
        seen: set[tuple[str, str]] = set()  # type and text
        for key, _ in node.value:
            if (found := (key.tag, str(key.value))) in seen:
                return key
            seen.add(found)
        waiting += [value for _, value in reversed(node.value)]
    return None


def _refuse_duplicates(text: str) -> None:
    """Raise _BrokenError if YAML or JSON holds a key twice, of which the last would win."""
    if key := _duplicate_key(yaml.compose(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))):
        mark = key.start_mark
        raise _BrokenError(mark.line + 1, mark.column + 1, f"the key {key.value!r} stands there a second time")


def _place(before: str) -> tuple[int, int]:
    """Line and column behind a text, from 1."""
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _unopened(error: OSError, path: Path) -> str:
    if not isinstance(error, FileNotFoundError):
        return f"{(error.strerror or str(error)).lower()}; {ALLOWED}"
    if not path.suffix:
        return "no such file; a rule or a file to make stands before --configfile"
    others = sorted(other.name for other in path.parent.glob(f"[!.]*{path.suffix}"))
    return f"no such file; beside it would be {', '.join(others) or 'no other of its kind'}"


def _kind(content: object) -> str:
    return "empty" if content is None else f"holds a {'list' if isinstance(content, list) else 'single value'}, no keys"
