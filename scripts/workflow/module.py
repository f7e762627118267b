"""What the workflow needs where it is a module of another one, with a config and a working directory of its own."""

import os
from typing import Any

import yaml
from snakemake.utils import update_config

from scripts.workflow.code_hash import ROOT


def with_defaults(config: dict[str, Any]) -> dict[str, Any]:
    """All of config.yaml, but for the keys that `config` names: what --configfile does where this workflow is alone."""
    whole = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    update_config(whole, config)
    return whole


def project_file(path: str) -> str:
    """The path of a file of this project from the working directory; `path` itself where this workflow is alone."""
    return os.path.relpath(ROOT / path)


def python_path(alone: bool) -> str:
    """What PYTHONPATH must be for scripts to import the project as `scripts`. Another workflow keeps its own behind."""
    others = [] if alone else os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join(dict.fromkeys([str(ROOT), *filter(None, others)]))
