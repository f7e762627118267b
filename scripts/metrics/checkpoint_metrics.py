"""Rule `checkpoint_metrics`: everything measured of the checkpoints of a span of a model, on one held-out sample."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from scripts.common.checkpoint_files import checkpoints, find_device, load_model, settle
from scripts.common.held_out import split_documents
from scripts.common.jobs import InputError, job, progress
from scripts.common.tables import arrow_schema, read_table, write_tables
from scripts.common.token_files import Tokens, open_tokens
from scripts.common.tokenizer_files import load_tokenizer
from scripts.metrics.forward import Measured, Task, measure
from scripts.metrics.sample import draw_sample, first_token, token_sizes
from scripts.metrics.word_perplexity import read_text

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

TABLES = {
    "metrics": "checkpoint_metrics",
    "layers": "layer_metrics",
    "spectrum": "head_spectrum",
    "losses": "sequence_losses",
}
READ = 1 << 24  # bytes read at a time


def token_counts(shards: Sequence[Tokens]) -> NDArray[np.int64]:
    """(V,) how often a corpus holds each token."""
    size = shards[0].vocabulary_size
    parts = (shard.ids[at : at + READ] for shard in shards for at in range(0, len(shard.ids), READ))
    return sum((np.bincount(ids, minlength=size) for ids in parts), np.zeros(size, np.int64))


def make_task(files: Any, definition: dict[str, Any], metrics: dict[str, Any], held_out: dict[str, Any]) -> Task:
    """The sample and all else that every checkpoint is measured on.

    A suite that is trained here is measured on the documents that it did not learn from.
    """
    shards, tokenizer = [open_tokens(record) for record in files.records], load_tokenizer(str(files.tokenizer))
    documents = [shard.ids for shard in shards]
    if definition["source"] == "train":
        documents = [split_documents(shards, held_out["share"], held_out["seed"]).test.ids]
    first = first_token(tokenizer, definition.get("first_token"))
    sizes = token_sizes(tokenizer, shards[0].vocabulary_size)
    sample = draw_sample(documents, metrics["tokens"], metrics["sequence_length"], metrics["seed"], sizes, first)
    text = None
    if wanted := metrics["word_perplexity"]:
        words = [open_tokens(record) for record in files.words_records]
        text = read_text(words, [str(table) for table in files.words_texts], wanted["tokens"])
    return Task(sample, token_counts(shards), metrics["batch_size"], metrics["unargmaxable"], text, first)


def loaded(paths: Sequence[Path], dtype: torch.dtype) -> Iterator[Any]:
    """Each checkpoint's model, or the InputError that it raised; the next is read while one is measured.

    While transformers builds a model, it sets PyTorch's default type for all threads. That changes nothing in float32;
    otherwise the other thread only brings the files into the system's cache.
    """
    ahead = _load if dtype == torch.float32 else _read_through
    with ThreadPoolExecutor(1) as thread:
        coming: Future[Any] | None = None
        for number, path in enumerate(paths):
            found = coming.result() if coming else None
            if found is None:
                found = _load(path, dtype)
            coming = thread.submit(ahead, paths[number + 1], dtype) if number + 1 < len(paths) else None
            yield found


def _load(path: Path, dtype: torch.dtype) -> Any:
    try:
        return load_model(path, dtype, "cpu").eval()
    except InputError as error:
        return error


def _read_through(path: Path, _dtype: torch.dtype) -> None:
    for file in path.iterdir():
        with file.open("rb") as stream:
            while stream.read(READ):
                pass


def measure_all(
    found: Sequence[tuple[int, Path]], task: Task, dtype: torch.dtype, device: str
) -> tuple[dict[int, Measured], list[str]]:
    """What was measured of each step, and one line for each checkpoint that could not be."""
    measured: dict[int, Measured] = {}
    bad: list[str] = []
    models = loaded([path for _, path in found], dtype)
    for (step, path), model in progress(zip(found, models, strict=True), "checkpoints", len(found), "checkpoint"):
        if isinstance(model, InputError):
            bad.append(str(model))
            continue
        try:
            model.to(device)  # here, where the one before has left
            rows = len(model.get_output_embeddings().weight)
            measured[step] = measure(model, replace(task, counts=task.counts[:rows]))
        except InputError as error:
            bad.append(f"{path}: {error}")
    return measured, bad


def duplicates(audit: str | None) -> dict[int, int]:
    """The steps that are another's twin, by the audit, and that other step."""
    if not audit:
        return {}
    rows = read_table("checkpoint_audit", audit).to_pylist()
    return {row["step"]: row["duplicate_of"] for row in rows if row["duplicate_of"] is not None}


def parts(measured: dict[int, Measured], name: str, keys: dict[str, Any], more: dict[int, dict[str, Any]]) -> Any:
    """The parts of one of the TABLES: one a checkpoint, or a single empty one."""
    for step, one in measured.items():
        yield {**keys, "step": step, **more.get(step, {}), **getattr(one, name)}
    if not measured:
        yield {field.name: np.empty(0, object) for field in arrow_schema(TABLES[name])}


def main(files: Any, output: Any, definition: dict[str, Any], options: Any, keys: dict[str, Any]) -> None:
    """Measure all checkpoints of a span and write the four tables, or none of them."""
    metrics = options.metrics
    device, dtype = find_device(metrics["device"], "metrics.device"), getattr(torch, definition.get("dtype", "float32"))
    found = checkpoints(files.checkpoints)
    task = make_task(files, definition, metrics, options.held_out)
    measured, bad = measure_all(found, task, dtype, device)
    settle(bad, len(measured), definition.get("bad_checkpoints", "refuse"))
    each, twins = definition.get("tokens_per_step"), duplicates(str(getattr(files, "audit", "") or ""))
    about = {step: {"tokens": each and step * each, "duplicate_of": twins.get(step)} for step in measured}
    for name, table in TABLES.items():
        write_tables(table, getattr(output, name), parts(measured, name, keys, about if name == "metrics" else {}))


if __name__ == "__main__":
    with job(snakemake):
        torch.set_num_threads(snakemake.threads)
        keys = {"suite": snakemake.wildcards.suite, "model": snakemake.wildcards.model}
        main(snakemake.input, snakemake.output, snakemake.params.definition, snakemake.params, keys)
