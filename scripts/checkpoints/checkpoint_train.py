"""Rule `checkpoint_train`: a model of a suite whose source is `train`, at every step that its config keeps."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers

from scripts.checkpoints.gpt_neox import build_model
from scripts.checkpoints.training import train
from scripts.checkpoints.unfinished import Unfinished
from scripts.common.held_out import split_documents
from scripts.common.jobs import InputError, job, log
from scripts.common.recipe import Numerics
from scripts.common.resume import fingerprint_of
from scripts.common.seals import seal
from scripts.common.tables import write_tables
from scripts.common.token_files import open_tokens
from scripts.common.windows import Windows

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

ROW = ["step", "tokens", "loss_nats", "learning_rate", "gradient_norm"]


def main(records: list[str], options: Any, threads: int, keys: dict[str, str], output: Any) -> None:
    """Train the model of `options` on the documents that are not held out, and write its checkpoints and its log."""
    definition, model, steps, name = options.definition, options.model, list(options.steps), keys["model"]
    numerics = Numerics(definition.get("device", "cpu"), definition.get("precision", "float32"))
    numerics.prepare(threads, f"suites.{keys['suite']}.device")
    shards = [open_tokens(record) for record in records]
    ids = split_documents(shards, options.held_out["share"], options.held_out["seed"]).train.ids
    unfinished = Unfinished(
        Path(output.checkpoints).parent / "unfinished",
        fingerprint_of(
            definition={key: value for key, value in definition.items() if key != "models"},
            model=model,
            steps=steps,
            held_out=options.held_out,
            tokens=[[shard.record["sha256"], shard.record["ends_sha256"]] for shard in shards],
            versions=[torch.__version__, transformers.__version__],
            threads=threads,
            code=getattr(options, "code", None),
        ),
    )
    length = definition["sequence_length"]
    try:
        windows = Windows(ids, length, definition["batch_size"], model["seed"])
    except InputError as error:
        raise InputError(f"model {name}: {error}") from error
    built = build_model(model, shards[0].vocabulary_size, length, name)
    epochs = steps[-1] * windows.batch_size / windows.an_epoch
    log.info("%s: %d parameters, %.2f epochs", name, built.num_parameters(), epochs)
    rows = train(built, windows, steps, model["learning_rate"], numerics, unfinished, name)
    write_tables("training_log", output.log, [{**keys, **{column: [row[column] for row in rows] for column in ROW}}])
    unfinished.finish(Path(output.checkpoints))
    seal(Path(output.checkpoints))


if __name__ == "__main__":
    with job(snakemake):
        main(
            list(snakemake.input.records),
            snakemake.params,
            snakemake.threads,
            {key: snakemake.wildcards[key] for key in ("suite", "model")},
            snakemake.output,
        )
