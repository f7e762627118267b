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

ROOT = Path(__file__).resolve().parents[2]
RESOURCES = ("mem_mb", "runtime", "disk_mb", "gpu")  # megabytes and minutes


@dataclass(frozen=True)
class Planned:
    """A job of the plan. `after` are the jobs it waits for, by their place in the plan; those of ancient inputs not."""

    rule: str
    wildcards: dict[str, str]
    inputs: frozenset[str]
    outputs: frozenset[str]
    params: str
    threads: int
    resources: dict[str, Any]
    local: bool  # runs where Snakemake does
    after: frozenset[int]
    benchmark: str | None  # the file that its time is written to


def plan(*config_files: str | Path, targets: tuple[str, ...] = ("all",), everything: bool = True) -> list[Planned]:
    """The jobs for the targets, each a file or a rule, as config.yaml and then these files say.

    With `everything`, also those whose results are there. Raises SystemExit, with one line, if the config is wrong.
    """
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
        dag = workflow.dag(dag_settings=DAGSettings(targets=set(targets), forceall=everything))
        dag.printrulegraph()  # the shortest way to have the graph built
        return planned(workflow._workflow.dag, everything)


def plan_of(config: dict[str, Any]) -> list[Planned]:
    """The jobs that a whole configuration makes."""
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
            wildcards=dict(job.wildcards_dict),
            inputs=frozenset(map(str, job.input)),
            outputs=frozenset(map(str, job.output)) or frozenset([job.rule.name]),
            params=repr(list(job.params.items())),
            threads=job.threads,
            resources={name: value for name, value in job.resources.items() if name in RESOURCES},
            local=job.rule.name in job.rule.workflow._localrules,
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
