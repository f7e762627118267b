"""What else is said of the start of a network with tied embeddings: its norm, and its numbers in half precision.

A few inputs are enough for both, and one pass over the head.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lm_saturation.config.tied import InitialOptions
from lm_saturation.tied.bigram import centred, embeddings, first_embeddings, mean_error, normed, sample_losses
from lm_saturation.tied.comparison import PLAIN, SCALED
from lm_saturation.tied.half_precision import PRECISIONS, head_gradient, underflow
from lm_saturation.tied.initial_loss import sizes
from lm_saturation.tied.remedies import REMEDIES

INPUTS = 32  # input tokens
ROWS = 512  # of the embedding, and of the head's gradient, that are looked at


class StartChecks(NamedTuple):
    """Rows of the tables `tied_norms` and `tied_underflow`."""

    norms: list[dict[str, Any]]
    underflow: list[dict[str, Any]]


class _Start(NamedTuple):
    """Plain tying of one size at several values of σ, S, of R inputs."""

    rows: Tensor  # (ROWS, d) of the embedding over σ; the first R are the inputs'
    states: Tensor  # (R, d)
    log_sums: Tensor  # (S, R) log Σ_j exp of the logits
    losses: NDArray[np.float64]  # (S, R) under RMSNorm
    centred_losses: NDArray[np.float64]  # (S, R) under LayerNorm


def start_checks(options: InitialOptions) -> StartChecks:
    """Every vocabulary, width and σ: those of the options, and that of the remedy σ = (log n)/d."""
    checks = StartChecks([], [])
    for vocabulary_size, width in sizes(options):
        scaled = REMEDIES[SCALED].sigma(0.0, vocabulary_size, width)
        cases = [*((PLAIN, sigma) for sigma in options.sigmas), (SCALED, scaled)]
        start = _start(vocabulary_size, width, [sigma for _, sigma in cases], options)
        for place, (remedy, sigma) in enumerate(cases):
            keys = {"vocabulary_size": vocabulary_size, "width": width, "remedy": remedy, "sigma": sigma}
            checks.norms.append({**keys, **_norm_columns(start, place)})
            targets = next_tokens(len(start.states), vocabulary_size, options.seed)
            checks.underflow.extend({**keys, **row} for row in _underflow_columns(start, place, sigma, targets))
    return checks


def _start(vocabulary_size: int, width: int, sigmas: list[float], options: InitialOptions) -> _Start:
    rows = first_embeddings(vocabulary_size, width, options.seed, ROWS)
    inputs = rows[:INPUTS]
    states = torch.cat([normed(inputs), normed(centred(inputs))])
    head = embeddings(vocabulary_size, width, options.seed)
    sample, count = sample_losses(states, inputs.repeat(2, 1), head, sigmas), len(inputs)
    log_sums = torch.from_numpy(sample.log_sums)[:, :count]
    return _Start(rows, states[:count], log_sums, sample.losses[:, :count], sample.losses[:, count:])


def _norm_columns(start: _Start, place: int) -> dict[str, Any]:
    plain, layer = start.losses[place], start.centred_losses[place]
    difference, error = mean_error(layer - plain)
    return {
        "rows": len(plain),
        "rms_norm_nats": float(plain.mean()),
        "layer_norm_nats": float(layer.mean()),
        "difference_nats": difference,
        "difference_error": error,
    }


def _underflow_columns(start: _Start, place: int, sigma: float, targets: Tensor) -> Iterator[dict[str, Any]]:
    """Of the embedding and of the head's gradient, in each format."""
    probabilities = torch.exp((sigma * (start.states @ start.rows.T)).double() - start.log_sums[place][:, None])
    matrices = {
        "embedding": sigma * start.rows,
        "head gradient": head_gradient(probabilities.float(), targets, start.states),
    }
    for quantity, values in matrices.items():
        for name, precision in PRECISIONS.items():
            found = underflow(values, precision)
            yield {
                "quantity": quantity,
                "precision": name,
                "rows": len(values),
                "underflow_share": found.share,
                "underflow_error": found.error,
                "zero_share": found.zero_share,
            }


def next_tokens(inputs: int, vocabulary_size: int, seed: int) -> Tensor:
    """(inputs,) next tokens of the first tokens of the vocabulary: any other, equally likely."""
    offsets = np.random.default_rng(seed).integers(1, vocabulary_size, inputs)
    return torch.from_numpy((np.arange(inputs) + offsets) % vocabulary_size)
