"""Which rules run again after each key of config.yaml is edited, without running any.

python -m lm_saturation_workflow.reruns > docs/reruns.md

For every key the plan of the edited configuration is compared with that of config.yaml: a job runs again if it is new,
if its parameters or its set of inputs changed, or if a job that it waits for runs again.
"""

import copy
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from lm_saturation.config import read_experiment
from lm_saturation.errors import InputError
from lm_saturation_workflow.plan import ROOT, Planned, plan_of

Place = tuple[str, ...]
# What another value would be where no small change of the value is allowed.
OTHERS: dict[str, Any] = {
    "results": "results/other",
    "logs": "logs/other",
    "python-docs": "python-source",
    "python-source": "python-docs",
    "cpu": "cuda",
    "colorblind": "tab10",
    "float32": "bfloat16",
    "llama2": "pythia",
    "pythia": "llama2",
}
INTRODUCTION = """\
# Reruns

Which jobs run again after a key of config.yaml is edited. Before an edit takes effect, `snakemake --dry-run` names the
jobs and their reasons; `snakemake --touch` marks all existing results as up to date.

## Triggers

The profiles keep four of Snakemake's five reasons to rerun a job: a newer input (small ones are compared by content),
another set of inputs, other parameters, another conda environment.

They drop the fifth, code, because Snakemake compares the modification time of a script and does not see what the script
imports. Instead every rule has a parameter `code`, a hash of the syntax trees of its script and of all project modules
that it imports, without comments and docstrings (`src/lm_saturation_workflow/code_hash.py`). An edited formula reruns
what depends on it. A comment, a docstring or a fresh clone reruns nothing.

Threads, memory and other resources are not parameters: changing them reruns nothing.

## Keys

For every key, the job graph of config.yaml is compared with that of config.yaml with another value of that key. Nothing
is run. `provenance`, `workflow_graph` and `report` run after every edit, since they hold the configuration or name what
was run, `findings` whenever `claims` or a table that it quotes does; these four are left out. `make docs` writes this
page.

"""


def leaves(config: dict[str, Any], path: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every key of a config that holds no further keys, with its value."""
    for name, value in config.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


def edited(config: dict[str, Any], path: Place) -> dict[str, Any] | None:
    """The config with another value at `path`; None if no other is known that is allowed."""
    value = _at(config, path)
    for other in _others(path, value, config):
        changed = copy.deepcopy(config)
        _at(changed, path[:-1])[path[-1]] = other
        if other != value and _is_valid(changed):
            return changed
    return None


def _at(config: Any, path: Place) -> Any:
    for name in path:
        config = config[name]
    return config


def _is_valid(config: dict[str, Any]) -> bool:
    try:
        read_experiment(config).check_files()
    except InputError:
        return False
    return True


def _others(path: Place, value: Any, config: dict[str, Any]) -> Iterator[Any]:
    """Values to try instead, likely ones first."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value - 1, 2 * value)
    elif isinstance(value, float):
        yield value / 2
    elif isinstance(value, list):
        yield value[1:] if path[-1] == "orders" else value[:-1]  # the last order is figure 7's, which stays
        yield from ([*value, name] for name in (*config["corpora"], *config["tokenizers"]))
    elif isinstance(value, str):
        yield OTHERS.get(value)
        yield from (*config["corpora"], *config["tokenizers"])
    elif value is None:
        yield {"corpus": next(iter(config["corpora"])), "tokens": 1000}
    elif path[-1] == "fit_from":
        yield dict.fromkeys(config["scaling"]["suites"], 1)


def rerun(before: list[Planned], after: list[Planned]) -> Counter[str]:
    """The jobs of the plan `after`, by rule, that run again where those of `before` are done."""
    known = {job.outputs: (job.params, job.inputs) for job in before}
    again: set[int] = set()
    waiting = list(range(len(after)))
    while found := [
        number
        for number in waiting
        if known.get(after[number].outputs) != (after[number].params, after[number].inputs)
        or after[number].after & again
    ]:
        again.update(found)
        waiting = [number for number in waiting if number not in again]
    return Counter(after[number].rule for number in again)


def reruns(config_file: Path = ROOT / "config.yaml") -> dict[str, Counter[str] | None]:
    """For every key of the config the jobs that run again, by rule; None where no other value is known."""
    config = yaml.safe_load(config_file.read_text(encoding="utf-8"))
    before, found = plan_of(config), {}
    for path in _alike_once(config):
        changed = edited(config, path)
        found[".".join(path)] = None if changed is None else rerun(before, plan_of(changed))
    return found


def _alike_once(config: dict[str, Any]) -> Iterator[Place]:
    """The keys, but of the models of a suite only the first two: the widest, and one of the others."""
    for path, _ in leaves(config):
        models = _at(config, path[:3]) if path[2:3] == ("models",) else {}
        if path[3:4] == () or path[3] in [*models][:2] or not models:
            yield path


ALWAYS = {"provenance", "findings", "workflow_graph", "report", "all", "figures", "tables"}
SHOWN = ("figure_", "table_")  # whose rules are counted, not named


def page() -> str:
    """docs/reruns.md. Neighbours that run the same again share a line."""
    lines: list[tuple[list[str], str]] = []
    for key, jobs in reruns().items():
        text = _row(jobs)
        if lines and lines[-1][1] == text:
            lines[-1][0].append(f"`{key}`")
        else:
            lines.append(([f"`{key}`"], text))
    table = "\n".join(f"| {', '.join(keys)} | {text} |" for keys, text in lines)
    return f"{INTRODUCTION}| key | rules that rerun (jobs) | figures, tables, claims |\n|---|---|---|\n{table}\n"


def _row(jobs: Counter[str] | None) -> str:
    if jobs is None:
        return "only together with other keys |"
    rules = sorted(set(jobs) - ALWAYS - {"claims"})
    work = [f"`{rule}`" + f" ({jobs[rule]})" * (jobs[rule] > 1) for rule in rules if not rule.startswith(SHOWN)]
    shown = [f"`{rule}`" for rule in rules if rule.startswith(SHOWN)]
    shown = [f"{len(shown)} figures and tables"] if len(shown) > 3 else shown
    return f"{', '.join(work) or '–'} | {', '.join([*shown, *['`claims`'] * ('claims' in jobs)]) or '–'}"


if __name__ == "__main__":
    print(page(), end="")
