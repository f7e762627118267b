"""What the page says of the run itself: models, text and machine, versions, inputs and seeds, and the time it took."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lm_saturation.report.cells import of_texts
from lm_saturation.report.job_times import STAGES, job_times


def facts(provenance: dict[str, Any]) -> list[tuple[str, str]]:
    """What was run, and on what."""
    config, machine = provenance["config"], provenance["machine"]
    suites = [
        f"{suite} ({', '.join(config['suites'][suite].get('models', []))})" for suite in config["checkpoints"]["suites"]
    ]
    hardware = [machine["processor"], f"{machine['cores']} cores", f"{machine['memory_gb']} GB of memory"]
    hardware += [*machine["gpus"], machine["system"]]
    return [
        ("Models", "; ".join(suites) or "none: no suite of checkpoints is measured"),
        ("Text", "; ".join(_texts(provenance["inputs"])) or "none"),
        ("Tokenizers", "; ".join(_tokenizers(provenance["inputs"])) or "none"),
        ("Machine", ", ".join(hardware)),
        ("Code", provenance["code_revision"] or "unknown"),
    ]


def _texts(inputs: dict[str, Any]) -> Iterator[str]:
    """Every corpus and its size, its shards added up."""
    documents: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for path, record in inputs.items():
        if "/text/" in path:
            documents[record["corpus"]] += record["documents"]
            size[record["corpus"]] += record["bytes"]
    for corpus in documents:
        yield f"{corpus} ({documents[corpus]:,} documents, {size[corpus] / 1e6:,.1f} MB)"


def _tokenizers(inputs: dict[str, Any]) -> Iterator[str]:
    for path, record in inputs.items():
        if "/tokenizers/" in path:
            yield f"{record['tokenizer']} ({record['vocabulary_size']:,} tokens)"


def provenance_tables(provenance: dict[str, Any], file: str) -> list[dict[str, Any]]:
    """Packages, inputs and seeds in tables, read from `file`."""
    packages = [[name, version] for name, version in {"python": provenance["machine"]["python"],
                                                      **provenance["packages"]}.items()]  # fmt: skip
    inputs = [[path, _origin(record), record.get("sha256", "")] for path, record in provenance["inputs"].items()]
    inputs += [[path, "audit of a model's checkpoints", sha256] for path, sha256 in provenance["audits"].items()]
    return [
        of_texts("packages", "Versions", [("package", False), ("version", False)], packages, file),
        of_texts("inputs", "Inputs", [("file", False), ("from", False), ("sha256", False)], inputs, file),
        of_texts("seeds", "Seeds", [("key of the configuration", False), ("seeds", False)],
                 [[".".join(path), value] for path, value in seeds(provenance["config"])], file),
    ]  # fmt: skip


def _origin(record: dict[str, Any]) -> str:
    """Where an input comes from."""
    if "definition" not in record:
        return f"{record['corpus']}, tokens of {record['tokenizer']}"
    definition = record["definition"]
    if "corpora" in definition:
        return f"trained on {', '.join(definition['corpora'])}"
    commit = record.get("commit") or definition.get("revision")
    return " ".join(filter(None, [definition["source"], definition.get("repository"), commit and f"at {commit}"]))


def seeds(config: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every key of the configuration that is a seed, with its value."""
    for key, value in config.items():
        if isinstance(value, dict):
            yield from seeds(value, (*path, key))
        elif key in ("seed", "seeds"):
            yield (*path, key), ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def time_table(logs: str) -> dict[str, Any]:
    """What the jobs of every stage took, in a sentence and a table; empty where no times were recorded."""
    times = {stage: took for stage in STAGES if (took := job_times((Path(logs) / stage).rglob("*.tsv")))}
    if not times:
        return {}
    jobs, seconds, processor = (sum(getattr(took, name) for took in times.values())
                                for name in ("jobs", "seconds", "processor_seconds"))  # fmt: skip
    memory = max(took.memory_mb for took in times.values())
    sentence = (
        f"{jobs:,} jobs, {_duration(processor)} of processor time; {_duration(seconds)} one after the other; "
        f"peak memory {memory:,.0f} MB"
    )
    heads = [
        ("stage", False),
        ("jobs", True),
        ("processor, s", True),
        ("start to end, s", True),
        ("peak memory, MB", True),
    ]
    rows = [
        [stage, f"{took.jobs:,}", f"{took.processor_seconds:,.1f}", f"{took.seconds:,.1f}", f"{took.memory_mb:,.0f}"]
        for stage, took in times.items()
    ]
    return {"sentence": sentence, "table": of_texts("time_by_stage", "Time by stage", heads, rows)}


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
