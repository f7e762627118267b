"""A fingerprint of what a script does: its syntax tree and those of the library's modules that it imports.

Snakemake compares a script's modification time and does not see its imports. Every rule carries this hash as
a parameter instead: an edited formula reruns what depends on it, a comment or a fresh clone reruns nothing.

Parsing every module takes a sixth of the time that Snakemake needs to start, so what came out is kept by the sha256 of
the module in .snakemake/code_hash.json; without that file, all is parsed again.
"""

import ast
import atexit
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from lm_saturation.io.atomic import write_text
from lm_saturation_workflow.project import SOURCES, project_file

PACKAGES = ("lm_saturation", "lm_saturation_workflow")
KEPT = Path(".snakemake", "code_hash.json").absolute()
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def code_of(script: str) -> Callable[[Any], str]:
    """`code_hash` as a parameter of a rule, for the jobs of a plan alone: a job of a cluster has one job's plan."""
    return lambda _: code_hash(script)


@cache
def code_hash(script: str) -> str:
    """Hash the code of `script` (a path below scripts/) and of all that it imports from the library."""
    module = _module(project_file(f"scripts/{script}"))
    waiting, modules = _imported(module), dict[Path, str]()
    digest = hashlib.sha256(f"{script}\n{module.syntax}\n".encode())
    while waiting:
        path = waiting.pop()
        if path not in modules:
            module = _module(path)
            modules[path] = module.syntax
            waiting += _imported(module)
    for path in sorted(modules):
        digest.update(f"{path.relative_to(SOURCES)}\n{modules[path]}\n".encode())
    return digest.hexdigest()[:16]


class Module(NamedTuple):
    """What a file of Python says, without line numbers and prose."""

    syntax: str  # sha256 of its syntax tree
    imports: list[str]  # the names of the library that it imports
    packages: list[str]  # the packages of the library all of whose modules it imports


def _imported(module: Module) -> list[Path]:
    """The files of the library that it imports."""
    files = [file for name in module.imports for file in _files_of(name)]
    for package in module.packages:
        files += sorted((SOURCES / package.replace(".", "/")).glob("*.py"))
    return files


@cache  # shared modules are reached from many scripts
def _module(path: Path) -> Module:
    content = path.read_bytes()
    key = hashlib.sha256(_salt() + content).hexdigest()
    if key not in _kept():
        _kept()[key] = _parse(content)
        atexit.unregister(_keep)
        atexit.register(_keep)  # once
    return _kept()[key]


@cache
def _salt() -> bytes:
    """What decides a syntax tree and its hash, beside the file: Python, and this module."""
    return sys.version.encode() + Path(__file__).read_bytes()


@cache
def _kept() -> dict[str, Module]:
    """The modules of earlier processes, by sha256; to which those of this one are added."""
    try:
        return {key: Module(*fields) for key, fields in json.loads(KEPT.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, TypeError, AttributeError):  # not there yet, or damaged
        return {}


def _keep() -> None:
    """Write what is kept, if Snakemake has its folder here and it can be written to."""
    if KEPT.parent.is_dir():
        with suppress(OSError):
            write_text(KEPT, json.dumps(_kept()))


def _parse(content: bytes) -> Module:
    tree = ast.parse(content)
    tree.body = list(_at_runtime(tree.body))
    names: list[str] = []
    packages: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        packages += _discovered(node)
        _drop_prose(node)
    own = [name for name in names if name.split(".")[0] in PACKAGES]
    return Module(hashlib.sha256(ast.dump(tree).encode()).hexdigest(), own, packages)


def _at_runtime(nodes: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module but for those for type checkers alone."""
    for node in nodes:
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            yield from node.orelse
        else:
            yield node


def _discovered(node: ast.AST) -> Iterator[str]:
    """The package that `lm_saturation.discovery.import_modules` is called with."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "import_modules":
        yield ast.literal_eval(node.args[0])


def _drop_prose(node: ast.AST) -> None:
    """Take away a docstring, and what an option of the configuration says of itself."""
    if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
        node.body = node.body[1:]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "option":
        node.args = node.args[:1]


def _files_of(name: str) -> Iterator[Path]:
    """The file of a module or package of the library; none for other names in it."""
    place = SOURCES / name.replace(".", "/")
    yield from filter(Path.is_file, (place.with_suffix(".py"), place / "__init__.py"))
