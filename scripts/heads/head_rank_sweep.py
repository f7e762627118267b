"""Rule `head_rank_sweep`: LM heads of several ranks and learning rates, trained on the states of a frozen trunk."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lm_saturation.errors import InputError
from lm_saturation.heads.frozen_trunk import final_checkpoint, load_trunk
from lm_saturation.heads.rank_sweep import (
    head_rows,
    make_head_runs,
    sequence_parts,
    train_heads,
    training_parts,
    training_sampler,
)
from lm_saturation.heads.states import read_head_states
from lm_saturation.heads.sweep import SweepState
from lm_saturation.io.tables import write_rows, write_tables
from lm_saturation.jobs import job
from lm_saturation.text.token_files import open_shards
from lm_saturation.text.tokenizers import load_tokenizer
from lm_saturation.training.recipe import Precision
from lm_saturation.training.resume import compute_fingerprint

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(files: Any, output: Any, params: Any, model: dict[str, str], threads: int) -> None:
    """Train every head, or go on where a killed job stopped, and write the three tables."""
    options = params.options
    Precision(options.device, options.precision).prepare(threads, "heads.device")
    frozen, shards = read_head_states(files.states).to(options.device), open_shards(files.tokens)
    sampler = training_sampler(shards, options, params.held_out)
    path = final_checkpoint(files.checkpoints, frozen.step)[1]
    trunk = load_trunk(path, params.weights, options, load_tokenizer(str(files.tokenizer)))
    runs = make_head_runs(frozen, params.ranks, params.unfactored, options)
    state = SweepState(
        Path(output.heads).with_name("unfinished.pt"),
        compute_fingerprint(
            options=[part.model_dump_json() for part in (options, params.weights, params.held_out)],
            ranks=list(params.ranks),
            unfactored=params.unfactored,
            sample=[frozen.step, frozen.sample_sha256],
            tokens=[[shard.record["sha256"], shard.record["ends_sha256"]] for shard in shards],
            version=torch.__version__,
            threads=threads,
            code=getattr(params, "code", None),
        ),
    )
    heads, keys = train_heads(runs, frozen, trunk, sampler, options, state), {**model, "step": frozen.step}
    write_tables("head_training", output.training, training_parts(heads, keys, options.batch_size * options.length))
    write_tables("head_losses", output.losses, sequence_parts(heads, keys))
    write_rows("head_rank_sweep", output.heads, head_rows(heads, keys))
    state.path.unlink(missing_ok=True)


if __name__ == "__main__":
    with job(snakemake):
        suite, model = (snakemake.wildcards[key] for key in ("suite", "model"))
        try:
            main(
                snakemake.input, snakemake.output, snakemake.params, {"suite": suite, "model": model}, snakemake.threads
            )
        except InputError as error:
            raise InputError(f"{suite}/{model}: {error}") from error
