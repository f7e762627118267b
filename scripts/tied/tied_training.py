"""Rule `tied_training`: models with one remedy, one a seed, trained alike and measured while they learn.

Seeds decide weights and the order of the text, so that models of one seed and different remedies are a pair.
"""

import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers

from scripts.checkpoints.training import train
from scripts.common.held_out import split_documents
from scripts.common.jobs import InputError, job, log
from scripts.common.recipe import Numerics
from scripts.common.resume import fingerprint_of
from scripts.common.tables import write_rows, write_tables
from scripts.common.token_files import Tokens, open_tokens
from scripts.common.windows import Windows
from scripts.metrics.sample import Sample, draw_sample
from scripts.tied.formulas import expected_loss
from scripts.tied.measured_run import MeasuredRun, measure
from scripts.tied.remedies import REMEDIES, build

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def held_out_sample(shards: list[Tokens], options: dict[str, Any], held_out: dict[str, Any]) -> Sample:
    """The same tokens for every remedy, seed and step, from documents that no model learns from."""
    documents = [split_documents(shards, held_out["share"], held_out["seed"]).test.ids]
    sizes = np.zeros(shards[0].vocabulary_size, np.int64)  # bits per byte are not asked for
    try:
        return draw_sample(documents, options["held_out_tokens"], options["sequence_length"] + 1, 0, sizes, None)
    except InputError as error:
        raise InputError(str(error).replace("metrics.tokens", "tied.training.held_out_tokens")) from error


def about(remedy: str, options: dict[str, Any], vocabulary_size: int) -> dict[str, Any]:
    """What is the same for all models with a remedy: sizes, σ, and the loss that theory lets them start with.

    That loss is of the page's premise, branches that start at zero (`residual_scale` 0).
    """
    model, chosen = options["model"], REMEDIES[remedy]
    width = model["width"]
    sigma = chosen.sigma(options["sigma"], vocabulary_size, width)
    return {
        "remedy": remedy,
        "vocabulary_size": vocabulary_size,
        "width": width,
        "layers": model["layers"],
        "sigma": sigma,
        "expected_nats": expected_loss(vocabulary_size, sigma * chosen.trace(width), chosen.power * width * sigma**2),
    }


def train_one(
    name: str, remedy: str, seed: int, options: dict[str, Any], ids: Any, vocabulary_size: int, run: MeasuredRun
) -> int:
    """Train the model of a seed, whose measurements `run` then has; gives its number of parameters."""
    length, model = options["sequence_length"], {**options["model"], "seed": seed}
    try:
        windows = Windows(ids, length, options["batch_size"], seed)
    except InputError as error:
        raise InputError(f"tied.training: {error}") from error
    built = build(REMEDIES[remedy], model, vocabulary_size, length, options["sigma"], name)
    numerics = Numerics(options["device"], options["precision"])
    train(built, windows, list(options["steps"]), model["learning_rate"], numerics, run, name)
    if (built.lm_head.weight is built.gpt_neox.embed_in.weight) != REMEDIES[remedy].tied:
        raise RuntimeError(f"{name}: head and embedding are no longer what they were")
    parameters = sum(weights.numel() for weights in built.parameters())  # one matrix counts once
    log.info("%s: %d parameters, %.3f nats", name, parameters, run.measured[-1]["loss_nats"])
    return parameters


def main(records: list[str], remedy: str, params: Any, threads: int, output: Any) -> None:
    """Train the models of all seeds, and write both tables."""
    options, held_out = params.training, params.held_out
    Numerics(options["device"], options["precision"]).prepare(threads, "tied.training.device")
    shards = [open_tokens(record) for record in records]
    sample = held_out_sample(shards, options, held_out)
    ids = split_documents(shards, held_out["share"], held_out["seed"]).train.ids
    facts, folder = about(remedy, options, shards[0].vocabulary_size), Path(output.training).parent / "unfinished"
    rows, spectra = [], []
    for seed in options["seeds"]:
        name = f"{remedy}, seed {seed}"
        fingerprint = fingerprint_of(
            remedy=remedy,
            seed=seed,
            options={key: value for key, value in options.items() if key != "seeds"},
            held_out=held_out,
            tokens=[[shard.record["sha256"], shard.record["ends_sha256"]] for shard in shards],
            versions=[torch.__version__, transformers.__version__],
            threads=threads,
            code=getattr(params, "code", None),
        )
        measuring = partial(measure, sample=sample, batch_size=options["batch_size"], name=name)
        run = MeasuredRun(folder / f"{seed}.pt", fingerprint, measuring)
        parameters = train_one(name, remedy, seed, options, ids, facts["vocabulary_size"], run)
        each = options["batch_size"] * options["sequence_length"]
        for found in run.measured:
            keys = {"remedy": remedy, "seed": seed, "step": found["step"]}
            rows.append({**facts, **found, **keys, "parameters": parameters, "tokens": each * found["step"]})
            spectra.append({**keys, **spectrum_columns(found)})
    write_tables("tied_spectrum", output.spectrum, spectra)
    write_rows("tied_training", output.training, rows)
    shutil.rmtree(folder)


def spectrum_columns(found: dict[str, Any]) -> dict[str, Any]:
    """The columns of the table `tied_spectrum` for one measurement."""
    values = np.array(found["singular_values"])
    return {
        "rank": np.arange(1, len(values) + 1),
        "singular_value": values,
        "singular_value_centred": np.array(found["singular_values_centred"]),
    }


if __name__ == "__main__":
    with job(snakemake):
        main(
            list(snakemake.input.records),
            snakemake.wildcards.remedy,
            snakemake.params,
            snakemake.threads,
            snakemake.output,
        )
