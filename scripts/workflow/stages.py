"""The stages of the workflow, in the order that data flows: their jobs, and what those took."""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from scripts.workflow.plan import ROOT, Planned

STAGES = ("corpus", "ngrams", "checkpoints", "metrics", "heads", "scaling", "abilities", "tied", "report")


@dataclass(frozen=True)
class Taken:
    """What jobs took, by the benchmark files that Snakemake wrote."""

    jobs: int
    seconds: float  # from start to end, one job after another
    processor_seconds: float
    memory_mb: float  # of the job that took most


def stages(jobs: list[Planned]) -> dict[str, list[Planned]]:
    """The jobs by stage, which is the file of their rule."""
    found: dict[str, list[Planned]] = {}
    for stage in STAGES:
        files = [ROOT / "rules" / f"{stage}.smk", *(ROOT / "rules" / stage).glob("*.smk")]
        text = "\n".join(file.read_text(encoding="utf-8") for file in files if file.exists())
        rules = set(re.findall(r"^(?:use )?rule (?:\w+ as )?(\w+)", text, re.MULTILINE))
        found[stage] = [job for job in jobs if job.rule in rules]
    return {name: here for name, here in found.items() if here}


def taken(files: Iterable[Path]) -> Taken | None:
    """What the jobs took whose benchmark files these are, as far as they are there; None if none is."""
    rows = [row for file in files if file.exists() for row in _rows(file)]
    if not rows:
        return None
    seconds, processor, memory = ([_number(row[name]) for row in rows] for name in ("s", "cpu_time", "max_rss"))
    return Taken(len(rows), sum(seconds), sum(processor), max(memory))


def _rows(file: Path) -> csv.DictReader:
    return csv.DictReader(file.read_text(encoding="utf-8").splitlines(), delimiter="\t")


def _number(text: str) -> float:
    """Very short jobs have no measurement."""
    return float(text) if re.fullmatch(r"[\d.]+", text) else 0.0
