"""What a job asks a cluster for. Nothing here changes a number of the results.

A retried job is given more than before, because most jobs that a cluster kills took more memory or time than they
were given.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.workflow.suites import span_steps, steps_of

BASE_MB = 1000  # of disk, for logs and small tables
Resource = Callable[..., int]


def growing(first: int) -> Resource:
    """A resource of which the first attempt gets `first`, the second half as much more, the third twice as much."""
    return lambda _, attempt: first * (1 + attempt) // 2


def written(factor: float) -> Resource:
    """Megabytes of disk for a job that writes at most `factor` times the size of its input."""
    return lambda _, input: BASE_MB + int(factor * input.size_mb)  # noqa: A006


def gpus(device: str) -> int | None:
    """GPUs of a job whose device is cpu or cuda. None asks for none: a cluster may take 0 for a request."""
    return 1 if device == "cuda" else None


def trained_mb(config: dict[str, Any], suite: str, model: str) -> int:
    """Megabytes of the checkpoints of a training in float32, and of its state, three times a checkpoint."""
    sizes, vocabulary = config["suites"][suite]["models"][model], _vocabulary(config, suite)
    parameters = 12 * sizes["layers"] * sizes["width"] ** 2 + 2 * vocabulary * sizes["width"]
    return BASE_MB + 4 * parameters * (len(steps_of(config["suites"][suite]) or ()) + 3) // 10**6


def _vocabulary(config: dict[str, Any], suite: str) -> int:
    """Tokens of a suite's tokenizer; as many as Llama-3's where only its file says it."""
    return int(config["tokenizers"][config["suites"][suite]["tokenizer"]].get("vocabulary_size", 128_256))


def fetched_mb(config: dict[str, Any], suite: str, span: str, audit: str) -> int:
    """Megabytes of the weights of a span, of which the audit knows. Raises FileNotFoundError before it is there."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    Path(audit).stat()  # raises the error that Snakemake takes for: not known yet
    wanted = span_steps(config, suite, span)
    try:
        rows = pq.read_table(audit, columns=["step", "weight_bytes"]).to_pylist()
    except (pa.ArrowException, OSError):
        return BASE_MB  # it is damaged, which the job itself says
    sizes = [
        row["weight_bytes"]
        for row in rows
        if (row["step"] in wanted["steps"] if wanted["steps"] else wanted["first"] <= row["step"] < _end(wanted))
    ]
    return BASE_MB + sum(sizes) // 10**6


def _end(wanted: dict[str, Any]) -> float:
    return float("inf") if wanted["last"] is None else wanted["last"]
