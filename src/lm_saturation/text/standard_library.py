"""The text that every machine has: the standard library of the running Python, as prose and as program text."""

import ast
import importlib
import importlib.util
import inspect
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

# Left out: installed packages, tests (many systems ship none), and files made when Python was built.
SKIPPED_FOLDERS = {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__", "pydoc_data"}
SKIPPED_PREFIXES = ("config-", "_sysconfigdata")


def python_source() -> Iterator[str]:
    """Each source file of the standard library, as one document."""
    yield from _source_files()


def python_docs() -> Iterator[str]:
    """The topics of `pydoc`, then each distinct docstring of the standard library, as one document each.

    Docstrings of Python modules are read from their source; only modules written in C are imported.
    """
    topics = importlib.import_module("pydoc_data.topics").topics
    seen: set[str] = set()
    for text in chain((topics[name] for name in sorted(topics)), _source_docstrings(), _compiled_docstrings()):
        if text not in seen:
            seen.add(text)
            yield text


def _source_files() -> Iterator[str]:
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).parts
        if SKIPPED_FOLDERS.isdisjoint(parts) and not any(part.startswith(SKIPPED_PREFIXES) for part in parts):
            try:
                yield path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue  # a few files hold other encodings on purpose


def _source_docstrings() -> Iterator[str]:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for text in _source_files():
        try:
            with warnings.catch_warnings(action="ignore"):
                nodes = ast.walk(ast.parse(text))
        except SyntaxError:
            continue  # lib2to3 ships files in Python 2
        for node in nodes:
            if isinstance(node, documented) and (docstring := ast.get_docstring(node)):
                yield docstring


def _compiled_docstrings() -> Iterator[str]:
    for name in sorted(sys.stdlib_module_names):
        if not _is_compiled(name):
            continue
        try:
            with warnings.catch_warnings(action="ignore"):  # some modules are deprecated
                module = importlib.import_module(name)
        except ImportError:
            continue  # built without the library that it wraps
        members = [member for _, member in sorted(vars(module).items())]
        attributes = [value for member in members if inspect.isclass(member) for value in vars(member).values()]
        for value in [module, *members, *attributes]:
            docstring = getattr(value, "__doc__", None)
            if isinstance(docstring, str) and (value is module or inspect.isclass(value) or inspect.isroutine(value)):
                yield inspect.cleandoc(docstring)


def _is_compiled(name: str) -> bool:
    if name.startswith(("_test", "_xx", "xx")):
        return False  # CPython's own tests
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    return spec is not None and (spec.origin == "built-in" or str(spec.origin).endswith((".so", ".pyd")))
