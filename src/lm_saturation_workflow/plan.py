"""The jobs that Snakemake would run for a configuration, without running any: what a dry run says, as objects."""

import io
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lm_saturation_workflow.project import ROOT
from lm_saturation_workflow.rule_graph import RuleGraph, rule_graph
from lm_saturation_workflow.snakemake_9_27 import compared_params, graph_of, group_of, is_local, stage_of

RESOURCES = ("mem_mb", "runtime", "disk_mb", "gpu")  # megabytes and minutes


@dataclass(frozen=True)
class Planned:
    """A job of the plan. `after` are the jobs it waits for, by their place in the plan; those of ancient inputs not."""

    rule: str
    stage: str  # the name of the file that the rule stands in
    wildcards: dict[str, str]
    inputs: frozenset[str]
    outputs: frozenset[str]
    params: str
    threads: int
    resources: dict[str, Any]
    local: bool  # runs where Snakemake does
    group: str | None  # of jobs that are submitted as one, where the rule names it
    after: frozenset[int]
    benchmark: str | None  # the file that its time is written to


def plan(*config_files: str | Path, targets: tuple[str, ...] = ("all",), everything: bool = True) -> list[Planned]:
    """The jobs for the targets, each a file or a rule, as config.yaml and then these files say.

    With `everything`, also those whose results are there. Raises SystemExit, with one line, if the config is wrong.
    """
    with _graph(config_files, targets, everything) as dag:
        return planned(dag, everything)


def rule_graph_of(*config_files: str | Path) -> RuleGraph:
    """The rules that the page draws, as config.yaml and then these files say."""
    with _graph(config_files, ("workflow_graph",), everything=True) as dag:
        (page,) = (job for job in dag.jobs if job.rule.name == "workflow_graph")
        return rule_graph(dag, page.output[0])


@contextmanager
def _graph(config_files: tuple[str | Path, ...], targets: tuple[str, ...], everything: bool) -> Iterator[Any]:
    """Snakemake's graph of the jobs for the targets, which must be used before Snakemake is left."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, Quietness, ResourceSettings

    files = [Path(file).resolve() for file in config_files]
    with _quietly(), SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as snakemake:
        workflow = snakemake.workflow(
            resource_settings=ResourceSettings(cores=1 << 10),
            config_settings=ConfigSettings(configfiles=files),
            snakefile=ROOT / "Snakefile",
            workdir=ROOT,
        )
        yield graph_of(workflow.dag(dag_settings=DAGSettings(targets=set(targets), forceall=everything)))


def plan_of(config: dict[str, Any]) -> list[Planned]:
    """The jobs of a complete configuration."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(config, file)
        file.flush()
        return plan(file.name)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep Snakemake from printing, and from leaving its folders in the way of imports."""
    path = [*sys.path]
    with redirect_stdout(io.StringIO()):
        try:
            yield
        finally:
            sys.path[:] = path


def planned(dag: Any, everything: bool) -> list[Planned]:
    """The jobs of a graph of Snakemake's: all, or those that would run."""
    jobs = [job for job in dag.jobs if everything or dag.needrun(job)]
    numbers = {job: number for number, job in enumerate(jobs)}
    return [
        Planned(
            rule=job.rule.name,
            stage=stage_of(job.rule),
            wildcards=dict(job.wildcards_dict),
            inputs=frozenset(map(str, job.input)),
            outputs=frozenset(map(str, job.output)) or frozenset([job.rule.name]),
            params=repr(compared_params(job)),
            threads=job.threads,
            resources={name: value for name, value in job.resources.items() if name in RESOURCES},
            local=is_local(job.rule),
            group=group_of(job.rule),
            after=frozenset(_awaited(job, dag.dependencies[job], numbers)),
            benchmark=job.benchmark and str(job.benchmark),
        )
        for job in jobs
    ]


def _awaited(job: Any, dependencies: Any, numbers: dict[Any, int]) -> Iterator[int]:
    """The jobs of whose outputs a change makes the job run again."""
    ancient = {str(file) for file in job.input if file.is_ancient}
    for other, files in dependencies.items():
        if other in numbers and not {str(file) for file in files} <= ancient:
            yield numbers[other]
