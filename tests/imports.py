"""Which modules a file imports, and which files of the project it comes to so; read from the syntax, nothing runs."""

import ast
from functools import cache

from tests.conftest import ROOT

SRC = ROOT / "src"
PACKAGES = tuple(sorted(path.name for path in SRC.iterdir() if (path / "__init__.py").exists()))


def modules(package):
    """The files of a package, by the module's name."""
    names = {path: path.relative_to(SRC).with_suffix("").parts for path in sorted((SRC / package).rglob("*.py"))}
    return {".".join(parts).removesuffix(".__init__"): path for path, parts in names.items()}


@cache
def imports(path, *, at_once=False):
    """The modules that a file imports, but for types alone; `at_once`: those that importing the file itself imports."""
    return frozenset(_imports(ast.parse(path.read_text(encoding="utf-8")).body, at_once))


def _imports(nodes, at_once):
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            members = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (member if _files(member) else node.module for member in members)
        elif isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            yield from _imports(node.orelse, at_once)
        elif not (at_once and isinstance(node, ast.FunctionDef | ast.Lambda)):
            yield from _imports(ast.iter_child_nodes(node), at_once)


def _files(module):
    """The file of one of the project's modules or packages; none for other names."""
    place = SRC / module.replace(".", "/")
    return [file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()]


def imported_packages(path):
    """The top-level packages beside the project's that importing the file imports, also through the project's."""
    seen, waiting, found = set(), [path], set()
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        for module in imports(file, at_once=True):
            parts = module.split(".")
            if parts[0] in PACKAGES:  # with the packages that a module lies in
                waiting += [file for n in range(len(parts)) for file in _files(".".join(parts[: n + 1]))]
            else:
                found.add(parts[0])
    return found
