"""The initial loss of tied embeddings, plain and with every remedy, sampled and in formulas."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from lm_saturation.config.tied import InitialOptions, RemedyName
from lm_saturation.io.logs import log
from lm_saturation.tied.bigram import (
    EMBEDDINGS,
    HEAD,
    MAP,
    embeddings,
    first_embeddings,
    generator_of,
    mean_error,
    moments,
    normed,
    sample_losses,
)
from lm_saturation.tied.formulas import expected_loss, su_2023_loss
from lm_saturation.tied.remedies import REMEDIES, Remedy


def initial_loss_rows(options: InitialOptions, remedies: Sequence[RemedyName]) -> Iterator[dict[str, Any]]:
    """The rows of the table `tied_initial_loss`: every vocabulary, width, remedy and σ."""
    for vocabulary_size, width in sizes(options):
        log.info("%d tokens, width %d", vocabulary_size, width)
        for name in remedies:
            keys = {"vocabulary_size": vocabulary_size, "width": width, "remedy": name}
            yield from ({**keys, **row} for row in remedy_rows(REMEDIES[name], vocabulary_size, width, options))


def moment_rows(options: InitialOptions) -> Iterator[dict[str, Any]]:
    """The rows of the table `tied_moments`: every vocabulary and width."""
    for vocabulary_size, width in sizes(options):
        keys = {"vocabulary_size": vocabulary_size, "width": width}
        yield from ({**keys, **row} for row in moments(vocabulary_size, width, options.seed))


def sizes(options: InitialOptions) -> Iterator[tuple[int, int]]:
    """Every vocabulary with every width."""
    return ((vocabulary_size, width) for vocabulary_size in options.vocabulary_sizes for width in options.widths)


def remedy_rows(
    remedy: Remedy, vocabulary_size: int, width: int, options: InitialOptions
) -> Iterator[dict[str, float | int]]:
    """The initial loss with one remedy, a row for each σ of the options; of `scaled` a single row, at its own σ."""
    states, self_rows, head = _bigram_model(remedy, vocabulary_size, width, options)
    sigmas = list(dict.fromkeys(remedy.sigma(sigma, vocabulary_size, width) for sigma in options.sigmas))
    sample = sample_losses(states, self_rows, head, sigmas)
    log_size = expected_loss(vocabulary_size, 0.0, 0.0)
    for sigma, losses, self_logits in zip(sigmas, sample.losses, sample.self_logits, strict=True):
        loss, error = mean_error(losses)
        yield {
            "sigma": sigma,
            "rows": len(losses),
            "loss_nats": loss,
            "loss_error": error,
            "self_logit": float(self_logits.mean()),
            "log_vocabulary_nats": log_size,
            "su_2023_nats": su_2023_loss(vocabulary_size, width, sigma) if remedy.keeps_self_logit else log_size,
            "expected_nats": remedy.expected_loss(vocabulary_size, width, sigma),
        }


def _bigram_model(
    remedy: Remedy, vocabulary_size: int, width: int, options: InitialOptions
) -> tuple[Tensor, Tensor, Iterator[Tensor]]:
    """States of the first inputs (R, d), the head's rows of the same tokens (R, d), and all of the head in blocks."""
    seed, rows = options.seed, options.rows
    first = first_embeddings(vocabulary_size, width, seed, rows)
    states = normed(first)
    if remedy.make:
        with torch.inference_mode():
            states = remedy.make(width, generator_of(seed, MAP))(states)
    if remedy.tied:
        return states, first, embeddings(vocabulary_size, width, seed, EMBEDDINGS)
    self_rows = first_embeddings(vocabulary_size, width, seed, rows, HEAD)
    return states, self_rows, embeddings(vocabulary_size, width, seed, HEAD)
