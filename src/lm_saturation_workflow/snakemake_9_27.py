"""What this project uses of Snakemake beyond its documented interface, in one place: it holds for version 9.27.

tests/workflow/test_snakemake_9_27.py fails where a later version behaves otherwise, and says which function to drop.
The logger plugin is the other place that knows Snakemake from within.
"""

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import is_dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel


def is_alone(workflow: Any) -> bool:
    """Is the Snakefile that is being read the main one, not a module of another workflow?"""
    return workflow.modifier.is_main_snakefile()


def finder(workflow: Any) -> Callable[[str], str]:
    """Where a file lies on this disk, from its path below the folder of the Snakefile that is being read.

    Snakemake fetches and caches those of modules that come from elsewhere. `workflow.source_path` does the same, but
    only if a Snakefile calls it.
    """
    base, cache = workflow.current_basedir, workflow.sourcecache
    return lambda path: cache.get_path(base.join(path))


def stage_of(rule: Any) -> str:
    """The stage of a rule: its file's name, wherever that file comes from."""
    return Path(str(rule.snakefile)).stem


def describe(rules: Iterable[Any]) -> None:
    """Let `snakemake --list` say of each rule what its jobs say: it prints docstrings only."""
    for rule in rules:
        rule.docstring = rule.docstring or re.sub(r"\{(?:wildcards|params)\.(\w+)\}", r"{\1}", rule.message or "")


def name_scripts(workflow: Any) -> None:
    """Fill in `script: "{params.figure}.py"` of the rules beside the file that is being read.

    Snakemake fills it in when it runs a job, but not where it packs the scripts for machines that share no disk.
    """
    for rule in workflow.rules:
        if rule.script and str(rule.basedir) == str(workflow.current_basedir):
            rule.script = rule.script.format(params=SimpleNamespace(**dict(rule.params.items())))


def compare_typed_params(workflow: Any) -> None:
    """Let Snakemake run a job again when a typed parameter of it has changed, in the rules of the project being read.

    It compares parameters with those of the last run by their text, but only those of builtin types; objects of other
    types it passes over in silence. Each rule gets the text of those as one more parameter.
    """
    for rule in workflow.rules:
        if str(rule.basedir).startswith(str(workflow.current_basedir)):
            rule.set_params(typed=_text_of_typed([value for _, value in rule.params.items()]))


def compared_params(job: Any) -> list[str]:
    """The texts of a job's parameters that Snakemake compares with those of the last run."""
    texts: list[str] = job.dag.workflow.persistence._params(job)
    return texts


def _text_of_typed(values: list[Any]) -> Callable[[Any], str]:
    """As a parameter of a rule: the text of those of its other parameters that Snakemake does not compare."""

    def text(wildcards: Any) -> str:
        plain = (value(wildcards) if _takes_wildcards_only(value) else value for value in values)
        return "\n".join(repr(value) for value in plain if isinstance(value, BaseModel) or is_dataclass(value))

    return text


def _takes_wildcards_only(value: Any) -> bool:
    return callable(value) and len(inspect.signature(value).parameters) == 1


def has_storage(workflow: Any) -> bool:
    """Are files kept in a storage by default, as profiles/kubernetes says?

    There `ensure(..., non_empty=True)` fails: Snakemake asks the storage for the size of a file before it is there.
    """
    return bool(workflow.storage_settings.default_storage_provider)


def lift_rate_limit(workflow: Any) -> None:
    """Start jobs as soon as they can; to be called when a run starts.

    The command line always sets a limit. With one, the scheduler wakes a second later for every time that it had
    nothing to start, which takes much of the processor in runs of hundreds of short jobs.
    """
    workflow.scheduler.job_rate_limiter = None


def graph_of(dag_api: Any) -> Any:
    """The graph of the jobs behind `snakemake.api.DAGApi`, which itself only prints it."""
    dag_api.printrulegraph()  # the shortest way to have the graph built
    return dag_api.workflow_api._workflow.dag


def is_local(rule: Any) -> bool:
    """Do the jobs of the rule run where Snakemake does? `workflow.is_local` says yes to all while none is submitted."""
    return rule.name in rule.workflow._localrules


def group_of(rule: Any) -> str | None:
    """The group that a rule names itself; its property `group` is None where jobs run on this machine."""
    group: str | None = rule._group
    return group
