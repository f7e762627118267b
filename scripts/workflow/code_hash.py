"""A fingerprint of what a script does: its syntax tree and those of the project modules it imports.

Snakemake compares a script's modification time and does not see its imports. Every rule carries this hash as
a parameter instead: an edited formula reruns what depends on it, a comment or a fresh clone reruns nothing.
"""

import ast
import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def code_of(script: str) -> Callable[[Any], str]:
    """`code_hash` as a parameter of a rule, for the jobs of a plan alone: a job of a cluster has one job's plan."""
    return lambda _: code_hash(script)


@cache
def code_hash(script: str) -> str:
    """Hash the code of `script` (a path below scripts/) and of all that it imports from this project."""
    found: dict[Path, str] = {}
    waiting = [ROOT / "scripts" / script]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found[path], imported = _syntax_and_imports(path)
            waiting += imported
    digest = hashlib.sha256()
    for path in sorted(found):
        digest.update(f"{path.relative_to(ROOT)}\n{found[path]}\n".encode())
    return digest.hexdigest()[:16]


def rules_hash() -> str:
    """Hash the Snakefile and all rules, as they are written."""
    digest = hashlib.sha256()
    for path in [ROOT / "Snakefile", *sorted((ROOT / "rules").rglob("*.smk"))]:
        digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@cache  # shared modules are reached from many scripts
def _syntax_and_imports(path: Path) -> tuple[str, list[Path]]:
    """The syntax tree without line numbers, comments and docstrings, and the files of this project that it imports."""
    tree = ast.parse(path.read_bytes())
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:]
    files = [ROOT / f"{name.replace('.', '/')}.py" for name in names if name.startswith("scripts.")]
    return ast.dump(tree), [file for file in files if file.is_file()]
