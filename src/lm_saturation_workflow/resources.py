"""What a job asks a cluster for. Nothing here changes a number of the results.

A retried job is given more than before, because most jobs that a cluster kills took more memory or time than they
were given.
"""

from collections.abc import Callable
from pathlib import Path

from lm_saturation.config import Experiment
from lm_saturation.config.suites import TrainedSuite
from lm_saturation.text.sources.tokenizers import TrainedTokenizer

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


def trained_mb(experiment: Experiment, suite: str, model: str) -> int:
    """Megabytes of the checkpoints of a training in float32, and of its state, three times a checkpoint."""
    definition = experiment.suites[suite]
    assert isinstance(definition, TrainedSuite)
    shape, vocabulary = definition.models[model], _vocabulary(experiment, suite)
    parameters = 12 * shape.layers * shape.width**2 + 2 * vocabulary * shape.width
    return BASE_MB + 4 * parameters * (len(definition.steps) + 3) // 10**6


def _vocabulary(experiment: Experiment, suite: str) -> int:
    """Tokens of a suite's tokenizer; as many as Llama-3's where only its file says it."""
    tokenizer = experiment.tokenizers[experiment.suites[suite].tokenizer]
    return tokenizer.vocabulary_size if isinstance(tokenizer, TrainedTokenizer) else 128_256


def fetched_mb(experiment: Experiment, suite: str, span: str, audit: str) -> int:
    """Megabytes of the weights of a span, of which the audit knows. Raises FileNotFoundError before it is there."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    Path(audit).stat()  # raises the error that Snakemake takes for: not known yet
    wanted = experiment.suites[suite].span_steps(span)
    try:
        rows = pq.read_table(audit, columns=["step", "weight_bytes"]).to_pylist()
    except (pa.ArrowException, OSError):
        return BASE_MB  # it is damaged, which the job itself says
    return BASE_MB + sum(row["weight_bytes"] for row in rows if wanted.holds(row["step"])) // 10**6
