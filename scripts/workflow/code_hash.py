"""A fingerprint of what a script does: its syntax tree and those of the project modules it imports.

Snakemake compares a script's modification time and does not see its imports. Every rule carries this hash as
a parameter instead: an edited formula reruns what depends on it, a comment or a fresh clone reruns nothing.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def code_hash(script: str) -> str:
    """Hash the code of `script` (a path below scripts/) and of all that it imports from this project."""
    digest = hashlib.sha256()
    for path in sorted(_imported_files(ROOT / "scripts" / script)):
        digest.update(f"{path.relative_to(ROOT)}\n{_syntax(path)}\n".encode())
    return digest.hexdigest()[:16]


def rules_hash() -> str:
    """Hash the Snakefile and all rules, as they are written."""
    digest = hashlib.sha256()
    for path in [ROOT / "Snakefile", *sorted((ROOT / "rules").rglob("*.smk"))]:
        digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _imported_files(script: Path) -> set[Path]:
    """The script and every file of this project that it reaches through imports."""
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _direct_imports(path)
    return found


@cache  # shared modules are reached from many scripts, and every job of a cluster parses the workflow
def _direct_imports(path: Path) -> list[Path]:
    names = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    files = [ROOT / f"{name.replace('.', '/')}.py" for name in names if name.startswith("scripts.")]
    return [path for path in files if path.is_file()]


@cache
def _syntax(path: Path) -> str:
    """The syntax tree without line numbers, comments and docstrings."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:]
    return ast.dump(tree)
