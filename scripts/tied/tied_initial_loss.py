"""Rule `tied_initial_loss`: the loss of the bigram model that a network starts as, plain and with every remedy."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from scripts.common.jobs import job, log
from scripts.common.tables import arrow_schema, write_tables
from scripts.tied.bigram import (
    embeddings,
    first_embeddings,
    mean_error,
    moments,
    normed,
    sample_losses,
)
from scripts.tied.formulas import expected_loss, page_loss
from scripts.tied.remedies import EMBEDDINGS, HEAD, MAP, REMEDIES, Remedy, generator_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def remedy_rows(
    remedy: Remedy, vocabulary_size: int, width: int, options: dict[str, Any]
) -> Iterator[dict[str, float | int]]:
    """The loss with one remedy at every σ; that of `scaled` at its own."""
    seed, rows = options["seed"], options["rows"]
    first = first_embeddings(vocabulary_size, width, seed, rows)
    states, own, stream = normed(first), first, EMBEDDINGS
    if remedy.make:
        with torch.inference_mode():
            states = remedy.make(width, generator_of(seed, MAP))(states)
    if not remedy.tied:
        own, stream = first_embeddings(vocabulary_size, width, seed, rows, HEAD), HEAD
    sigmas = list(dict.fromkeys(remedy.sigma(sigma, vocabulary_size, width) for sigma in options["sigmas"]))
    sampled = sample_losses(states, own, embeddings(vocabulary_size, width, seed, stream), sigmas)
    log_size = expected_loss(vocabulary_size, 0.0, 0.0)
    for sigma, losses, own_logits in zip(sigmas, sampled.losses, sampled.own_logits, strict=True):
        loss, error = mean_error(losses)
        variance = remedy.power * width * sigma**2
        yield {
            "sigma": sigma,
            "rows": len(losses),
            "loss_nats": loss,
            "loss_error": error,
            "own_logit": float(own_logits.mean()),
            "log_vocabulary_nats": log_size,
            "page_nats": page_loss(vocabulary_size, width, sigma) if remedy.whole else log_size,
            "expected_nats": expected_loss(vocabulary_size, sigma * remedy.trace(width), variance),
        }


def main(options: dict[str, Any], remedies: list[str], output: Any) -> None:
    """Sample every vocabulary, width and remedy, and write both tables."""
    losses: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for vocabulary_size in options["vocabulary_sizes"]:
        for width in options["widths"]:
            keys = {"vocabulary_size": vocabulary_size, "width": width}
            log.info("%d tokens, width %d", vocabulary_size, width)
            for name in remedies:
                rows = remedy_rows(REMEDIES[name], vocabulary_size, width, options)
                losses += [{**keys, "remedy": name, **row} for row in rows]
            found += [{**keys, **row} for row in moments(vocabulary_size, width, options["seed"])]
    write_tables("tied_initial_loss", output.losses, [columns_of("tied_initial_loss", losses)])
    write_tables("tied_moments", output.moments, [columns_of("tied_moments", found)])


def columns_of(table: str, rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """The columns of a table from its rows."""
    return {name: [row[name] for row in rows] for name in arrow_schema(table).names}


if __name__ == "__main__":
    with job(snakemake):
        torch.set_num_threads(snakemake.threads)
        main(snakemake.params.initial, list(snakemake.params.remedies), snakemake.output)
