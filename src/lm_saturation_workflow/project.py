"""Where the project's own files lie: in a clone, beside an installed library, or in a git repository elsewhere.

The workflow may be a module of another one, taken from a copy on disk or from a repository; its Snakefile says so once:

project.come_from(workflow)

Scripts, rules and config.yaml come from where the Snakefile does, tables and templates from the library.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from lm_saturation_workflow.snakemake_9_27 import finder

SOURCES = Path(__file__).resolve().parents[1]
LIBRARY = SOURCES / "lm_saturation"
ROOT = SOURCES.parent  # of a clone

_find: list[Callable[[str], str]] = [lambda path: str(ROOT / path)]


def come_from(workflow: Any) -> None:
    """Find the project's files where the Snakefile that is being read comes from."""
    _find[:] = [finder(workflow)]


def check_working_directory() -> None:
    """End the program with one line where Snakemake could keep no record, as in a clone that is mounted read-only."""
    folder = Path.cwd()
    if not os.access(folder, os.W_OK):
        sys.exit(f"error: {folder} cannot be written to; for results and records, name another: --directory")


def project_file(path: str) -> Path:
    """A file of the project on this disk."""
    return Path(_find[0](path))


def with_defaults(config: dict[str, Any]) -> dict[str, Any]:
    """All of config.yaml, but for the keys that `config` names: what --configfile does where this workflow is alone."""
    from snakemake.utils import update_config  # here: scripts of figures run where Snakemake is not installed

    complete = yaml.safe_load(project_file("config.yaml").read_text(encoding="utf-8"))
    update_config(complete, config)
    return complete


def resource(name: str) -> str:
    """The path of a published table that the library ships."""
    return library_file(f"resources/{name}")


def library_file(name: str) -> str:
    """The path of a file of the library, from the working directory if it lies below that."""
    path = LIBRARY / name
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def python_path() -> str:
    """PYTHONPATH with a clone's library in front, for jobs in environments that do not have it installed."""
    others = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    own = [str(SOURCES)] if (ROOT / "pyproject.toml").is_file() else []
    return os.pathsep.join(dict.fromkeys([*own, *filter(None, others)]))
