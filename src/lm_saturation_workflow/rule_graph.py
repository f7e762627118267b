"""The rules of a run and what they hand on, from the graph of jobs that Snakemake made, for the drawing on the page."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from lm_saturation.report.job_times import STAGES
from lm_saturation_workflow.snakemake_9_27 import stage_of

RuleGraph = dict[str, dict[str, Any]]  # by node: `stage`, number of `jobs`, and the nodes it is `after`


def graph_before(workflow: Any) -> Callable[..., RuleGraph]:
    """`rule_graph` as a parameter of the rule that draws: Snakemake asks for it when its graph of jobs is complete."""
    return lambda _, output: rule_graph(workflow.dag, str(output))


def rule_graph(dag: Any, drawing: str) -> RuleGraph:
    """The rules of all jobs that the drawing waits for; its own job stands for the page, which reads the same files.

    So it does not matter what else was asked for. Only the findings, which lie beside the page, are not read by it.
    Figures are one node, and so are tables. An edge to an earlier stage is left out: it bounds how much lies on disk,
    and hands nothing on. So are rules that have no other.
    """
    page = next(job for job in dag.jobs if drawing in job.output)
    prefix = page.rule.name.removesuffix("workflow_graph")  # of a module's rules
    jobs = {page: "report"}
    waiting = [page]
    while waiting:
        for job in _before(dag, waiting.pop()):
            if job not in jobs and stage_of(job.rule) in STAGES:  # other rules are of a workflow around this one
                jobs[job] = _node(job.rule.name.removeprefix(prefix))
                waiting.append(job)
    stages = {node: stage_of(job.rule) for job, node in jobs.items()}
    edges = {(jobs[before], node) for job, node in jobs.items() for before in _before(dag, job) if before in jobs}
    edges = {edge for edge in edges if edge[0] != edge[1] and _place(stages[edge[0]]) <= _place(stages[edge[1]])}
    edges.discard(("findings", "report"))
    linked = sorted({node for edge in edges for node in edge}, key=lambda node: (_place(stages[node]), node))
    numbers = Counter(jobs.values())
    return {
        node: {
            "stage": stages[node],
            "jobs": numbers[node],
            "after": sorted(before for before, after in edges if after == node),
        }
        for node in linked
    }


def _before(dag: Any, job: Any) -> Iterator[Any]:
    """The jobs whose outputs the job reads, unless it does not mind how old they are."""
    ancient = {str(file) for file in job.input if file.is_ancient}
    for other, files in dag.dependencies[job].items():
        if not {str(file) for file in files} <= ancient:
            yield other


def _node(rule: str) -> str:
    """The rule, or what stands for it."""
    kind = rule.split("_", maxsplit=1)[0]
    return f"{kind}s" if kind in ("figure", "table") else rule


def _place(stage: str) -> int:
    return STAGES.index(stage)
