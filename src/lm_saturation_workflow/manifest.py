"""docs/manifest.csv: what every figure and table is made of, by which rules, the claims it bears on, and its tiers.

python -m lm_saturation_workflow.manifest > docs/manifest.csv

Nothing is declared for it: a row is what the catalogue and the claims declare, and what Snakemake plans of it.
"""

import csv
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from lm_saturation.claims import CLAIMS
from lm_saturation.report.tiers import TIERS
from lm_saturation_workflow.catalogue import FIGURES, TABLE_RULES, TABLES
from lm_saturation_workflow.doc_tables import DECLARED, input_name
from lm_saturation_workflow.plan import Planned, plan
from lm_saturation_workflow.project import LIBRARY, ROOT

SHIPPED = "shipped"  # stands for the rule of an input that comes with the library
SEPARATOR = "; "
COLUMNS = ("name", "kind", "file", "inputs", "made_by", "rule", "claims", "tiers")
Row = dict[str, str]


def plans() -> dict[str, list[Planned]]:
    """The jobs of every tier, by its name."""
    return {tier.name: plan(ROOT / tier.config, targets=("figures", "tables")) for tier in TIERS}


def rows(planned: Mapping[str, list[Planned]]) -> Iterator[Row]:
    """A row per figure and per table, in the order of the page."""
    made_by = {output: job.rule for jobs in planned.values() for job in jobs for output in job.outputs}
    for shown in DECLARED:
        jobs = {tier: job for tier, plan in planned.items() for job in plan if job.rule == shown.name}
        files = [file for job in jobs.values() for file in sorted(job.inputs)]
        inputs = dict.fromkeys((input_name(file), made_by.get(file, SHIPPED)) for file in files)
        shared = {
            "inputs": SEPARATOR.join(name for name, _ in inputs),
            "made_by": SEPARATOR.join(rule for _, rule in inputs),
            "rule": shown.name,
            "tiers": SEPARATOR.join(
                tier.name
                for tier in TIERS
                if tier.name in jobs and _rests_on(jobs[tier.name], planned[tier.name], tier.sources)
            ),
        }
        if shown.name in FIGURES:
            yield _row(shown.name, "figure", f"figures/{shown.name}.pdf", FIGURES[shown.name].claims, shared)
        else:
            for table in TABLE_RULES[shown.name].tables:
                yield _row(table.name, "table", f"tables/{table.name}.csv", table.claims, shared)


def _row(name: str, kind: str, file: str, claims: Sequence[str], shared: Row) -> Row:
    found = {"name": name, "kind": kind, "file": file, "claims": SEPARATOR.join(claims), **shared}
    return {column: found[column] for column in COLUMNS}


def _rests_on(job: Planned, jobs: Sequence[Planned], sources: Collection[str]) -> bool:
    """Does a job, or any that it waits for, belong to one of these rules, or, with none, read what is shipped?"""
    seen: set[int] = set()
    waiting = [job]
    while waiting:
        found = waiting.pop()
        if found.rule in sources or (not sources and any(map(is_shipped, found.inputs))):
            return True
        waiting += [jobs[number] for number in found.after - seen]
        seen |= found.after
    return False


def is_shipped(file: str) -> bool:
    """Is this file one of the published tables that the library ships?"""
    return (ROOT / file).is_relative_to(LIBRARY / "resources")


def orphans(found: Sequence[Mapping[str, str]], rules: Collection[str]) -> list[str]:
    """What does not hold together in rows of the manifest, a line each; `rules` are the names of all there are."""
    names = [row["name"] for row in found]
    claimed = {name for row in found for name in parts(row["claims"])}
    shown_in = {name for claim in CLAIMS.values() for name in claim.shown_in}
    views = {view.name for table in TABLES.values() for view in table.views}
    return [
        *(f"{name} has no row" for name in (*FIGURES, *TABLES) if name not in names),
        *(f"the claim {name} has no row" for name in CLAIMS if name not in claimed),
        *(f"{name}, which claims name, is no figure or table" for name in sorted(shown_in - {*names, *views})),
        *(line for row in found for line in _loose_ends(row, rules)),
    ]


def _loose_ends(row: Mapping[str, str], rules: Collection[str]) -> Iterator[str]:
    inputs, made_by = parts(row["inputs"]), parts(row["made_by"])
    if row["name"] not in FIGURES and row["name"] not in TABLES:
        yield f"{row['name']} is not declared"
    if row["rule"] not in rules:
        yield f"{row['name']} is made by {row['rule']}, and there is no such rule"
    if not inputs or len(inputs) != len(made_by):
        yield f"{row['name']} has {len(inputs)} inputs and {len(made_by)} rules that make them"
    for name, rule in zip(inputs, made_by, strict=False):
        if rule == SHIPPED and not (LIBRARY / "resources" / name).is_file():
            yield f"{row['name']} reads {name}, which no rule makes and which is not shipped"
        if rule not in (SHIPPED, *rules):
            yield f"{row['name']} reads {name}, which {rule} makes, and there is no such rule"
    for name in parts(row["claims"]):
        if name not in CLAIMS:
            yield f"{row['name']} bears on {name}, and there is no such claim"
    if not parts(row["tiers"]):
        yield f"{row['name']} belongs to no tier"


def parts(cell: str) -> list[str]:
    """The names in a cell."""
    return cell.split(SEPARATOR) if cell else []


def page() -> str:
    """docs/manifest.csv."""
    written = io.StringIO()
    table = csv.DictWriter(written, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows(plans()))
    return written.getvalue()


def read(file: Path) -> list[Row]:
    """The rows of a manifest."""
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


if __name__ == "__main__":
    print(page(), end="")
