"""Rule `head_rank_sweep`: heads of several ranks and learning rates, trained on the hidden states of a frozen trunk.

arXiv 2404.07647, section 5.2 and Figs 6 and 9, with the starts and the unfactored head that it lacks.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from scripts.common.held_out import split_documents
from scripts.common.jobs import InputError, job, log
from scripts.common.recipe import Numerics
from scripts.common.resume import fingerprint_of
from scripts.common.tables import arrow_schema, write_tables
from scripts.common.token_files import open_tokens
from scripts.common.tokenizer_files import load_tokenizer
from scripts.common.windows import Windows
from scripts.heads.frozen import HeadStates, Trunk, final_checkpoint, in_dtype, read_head_states
from scripts.heads.head import Factors, Losses, token_losses
from scripts.heads.starts import start_factors, unfactored
from scripts.heads.sweep import Batches, Saved, Sweep, Trainee, chosen
from scripts.heads.truncation import cut
from scripts.metrics.cross_entropy import summarise
from scripts.metrics.head_spectrum import gram
from scripts.metrics.sample import first_token

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def make_trainees(frozen: HeadStates, ranks: list[int], whole: bool, options: dict[str, Any]) -> list[Trainee]:
    """Every start, rank up to the model's width and learning rate; with `whole`, the unfactored head of each start."""
    width, seed = frozen.head.shape[1], options["seed"]
    truncation = cut("truncated", frozen.head, gram(frozen.hidden_states)[0])
    starting: list[tuple[str, int, Factors]] = []
    for start in options["starts"]:
        fitting = {rank: start_factors(start, rank, frozen.head, truncation, seed) for rank in ranks if rank <= width}
        starting += [(start, rank, factors) for rank, factors in fitting.items()]
        if whole:
            starting.append((start, width, unfactored(start_factors(start, width, frozen.head, truncation, seed))))
    return [
        Trainee(start, rank, rate, tuple(factor.clone() for factor in factors))
        for start, rank, factors in starting
        for rate in options["learning_rates"]
    ]


def trunk_batches(trunk: Trunk, windows: Windows, dtype: torch.dtype) -> Batches:
    """The hidden states and next tokens of the batch of each update."""

    def batch(update: int) -> tuple[torch.Tensor, torch.Tensor]:
        ids = torch.from_numpy(windows.batch(update)).to(trunk.device)
        return trunk.states(ids[:, :-1]).flatten(0, 1).to(dtype), ids[:, 1:].flatten()

    return batch


def held_out(frozen: HeadStates, factors: Factors) -> Losses:
    """Losses and hits on the held-out sample."""
    return token_losses(frozen.hidden_states, frozen.next_tokens.flatten(), factors, frozen.bias)


def head_rows(
    trainees: list[Trainee], starts: list[float], frozen: HeadStates, keys: dict[str, Any]
) -> Iterator[tuple[Trainee, dict[str, Any], Losses | None]]:
    """Every head with its row of the table `head_rank_sweep`, and its held-out losses unless it diverged."""
    best = {id(one) for one in chosen(trainees)}
    for one, start in zip(trainees, starts, strict=True):
        losses = None if one.diverged else held_out(frozen, one.factors)
        summary = losses and summarise(losses.nats.reshape(frozen.next_tokens.shape).double().cpu().numpy())
        yield (
            one,
            {
                **about(one, keys),
                "initial_loss_nats": start,
                "training_loss_nats": None if one.diverged else one.tail,
                "loss_nats": summary and summary.mean,
                "loss_error": summary and summary.error,
                "accuracy": losses and float(losses.hits.double().mean()),
                "diverged": int(one.diverged),
                "chosen": int(id(one) in best),
            },
            losses,
        )


def about(one: Trainee, keys: dict[str, Any]) -> dict[str, Any]:
    """The columns that name a head."""
    factored = int(len(one.factors) > 1)
    return {**keys, "start": one.start, "rank": one.rank, "factored": factored, "learning_rate": one.learning_rate}


def initial_losses(trainees: list[Trainee], frozen: HeadStates) -> list[float]:
    """The held-out loss that each head starts from; rates of one start and rank share it."""
    found: dict[tuple[str, int, int], float] = {}
    for one in trainees:
        key = (one.start, one.rank, len(one.factors))
        if key not in found:
            found[key] = float(held_out(frozen, one.factors).nats.double().mean())
    return [found[one.start, one.rank, len(one.factors)] for one in trainees]


def empty(table: str) -> dict[str, Any]:
    """A table without rows: no rank of this job is as small as the model is wide."""
    return {field.name: [] for field in arrow_schema(table)}


def main(files: Any, output: Any, definition: dict[str, Any], options: Any, keys: dict[str, str], threads: int) -> None:
    """Train every head and write the three tables."""
    heads, split = options.heads, options.held_out
    numerics = Numerics(heads["device"], heads["precision"])
    numerics.prepare(threads, "heads.device")
    frozen = read_head_states(files.states).to(heads["device"])
    shards, tokenizer = [open_tokens(record) for record in files.records], load_tokenizer(str(files.tokenizer))
    ids = split_documents(shards, split["share"], split["seed"]).train.ids
    length, batch_size = heads["sequence_length"], heads["batch_size"]
    windows = Windows(ids, length, batch_size, heads["seed"])
    updates = max(1, round(heads["tokens"] / (batch_size * length)))
    first = first_token(tokenizer, definition.get("first_token"))
    path = final_checkpoint(files.checkpoints, frozen.step)[1]
    trunk = Trunk(path, in_dtype(definition, heads["precision"]), heads["device"], first, heads["trunk_batch_size"])
    trainees = make_trainees(frozen, list(options.ranks), options.whole, heads)
    log.info("%d heads, %d updates of %d tokens", len(trainees), updates, batch_size * length)
    initial = initial_losses(trainees, frozen)
    saved = Saved(
        Path(output.heads).with_name("unfinished.pt"),
        fingerprint_of(
            heads=heads,
            ranks=list(options.ranks),
            whole=options.whole,
            definition=definition,
            held_out=split,
            step=frozen.step,
            sample=frozen.sample_sha256,
            tokens=[[shard.record["sha256"], shard.record["ends_sha256"]] for shard in shards],
            version=torch.__version__,
            threads=threads,
            code=getattr(options, "code", None),
        ),
    )
    try:
        Sweep(trainees, updates, frozen.bias).train(trunk_batches(trunk, windows, numerics.dtype), saved)
    except torch.OutOfMemoryError as error:
        raise InputError(
            f"{len(trainees)} heads, with gradients and optimizers, do not fit the GPU's memory: share the ranks out "
            "to more heads.jobs, or take fewer heads.learning_rates"
        ) from error
    write(output, list(head_rows(trainees, initial, frozen, {**keys, "step": frozen.step})), windows, frozen)
    saved.path.unlink(missing_ok=True)


def write(output: Any, rows: list[Any], windows: Windows, frozen: HeadStates) -> None:
    """The heads; the held-out loss of each sequence of the chosen ones; the training loss of all at each update."""
    each = windows.batch_size * windows.length
    names = {key: row[key] for _, row, _ in rows[:1] for key in ("suite", "model", "step")}
    sequences, curves = [], []
    for one, row, losses in rows:
        named = about(one, names)
        if row["chosen"] and losses:
            means = losses.nats.reshape(frozen.next_tokens.shape).double().mean(1).cpu().numpy()
            sequences.append({**named, "sequence": list(range(len(means))), "loss_nats": means})
        finite = one.losses[:-1] if one.diverged else one.losses
        places = range(len(finite))
        if finite:
            curves.append(
                {**named, "update": places, "tokens": [each * place for place in places], "loss_nats": finite}
            )
    table = {name: [row[name] for _, row, _ in rows] for name in arrow_schema("head_rank_sweep").names}
    write_tables("head_training", output.training, curves or [empty("head_training")])
    write_tables("head_losses", output.losses, sequences or [empty("head_losses")])
    write_tables("head_rank_sweep", output.heads, [table])


if __name__ == "__main__":
    with job(snakemake):
        try:
            main(
                snakemake.input,
                snakemake.output,
                snakemake.params.definition,
                snakemake.params,
                {key: snakemake.wildcards[key] for key in ("suite", "model")},
                snakemake.threads,
            )
        except InputError as error:
            raise InputError(f"{snakemake.wildcards.suite}/{snakemake.wildcards.model}: {error}") from error
