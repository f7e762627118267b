"""The stages of the workflow, in the order that data flows, and what their jobs took."""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

STAGES = ("corpus", "ngrams", "checkpoints", "metrics", "heads", "scaling", "abilities", "tied", "causes", "report")


@dataclass(frozen=True)
class JobTimes:
    """What jobs took, by the benchmark files that Snakemake wrote."""

    jobs: int
    seconds: float  # from start to end, one job after another
    processor_seconds: float
    memory_mb: float  # of the job that took most


def job_times(files: Iterable[Path]) -> JobTimes | None:
    """What the jobs took whose benchmark files these are, as far as they are there; None if none is."""
    rows = [row for file in files if file.exists() for row in _rows(file)]
    if not rows:
        return None
    seconds, processor, memory = ([_number(row[name]) for row in rows] for name in ("s", "cpu_time", "max_rss"))
    return JobTimes(len(rows), sum(seconds), sum(processor), max(memory))


def _rows(file: Path) -> csv.DictReader:
    return csv.DictReader(file.read_text(encoding="utf-8").splitlines(), delimiter="\t")


def _number(text: str) -> float:
    """Very short jobs have no measurement."""
    return float(text) if re.fullmatch(r"[\d.]+", text) else 0.0
