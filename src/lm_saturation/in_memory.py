"""Every metric of a causal language model in memory, as rule `checkpoint_metrics` measures it.

from lm_saturation import model_metrics
result = model_metrics(model, token_ids)
"""

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray

from lm_saturation.errors import InputError
from lm_saturation.inference.evaluation_sample import EvaluationSample
from lm_saturation.inference.logits import head_of
from lm_saturation.inference.trunk import positions_of
from lm_saturation.metrics.evaluation_spec import EvaluationSpec
from lm_saturation.metrics.measure import measure
from lm_saturation.metrics.random_text import draw_random_text


@dataclass(frozen=True)
class ModelMetrics:
    """What was measured of a model. Names, units and meanings of columns: docs/tables.md."""

    metrics: pd.Series  # the columns of checkpoint_metrics, and bits_per_token, singular_ratio, singular_ratio_centred
    layers: pd.DataFrame  # those of layer_metrics: anisotropy of each layer
    spectrum: pd.DataFrame  # those of head_spectrum: the singular values of the LM head
    losses: pd.DataFrame  # those of sequence_losses


def model_metrics(
    model: Any,
    token_ids: ArrayLike,
    *,
    vocabulary_size: int | None = None,
    token_counts: ArrayLike | None = None,
    text_bytes: int | None = None,
    batch_size: int = 8,
    random_text_tokens: int = 4096,
    weight_noise: float | None = None,
) -> ModelMetrics:
    """All metrics of a causal language model of transformers on `token_ids` (sequences, tokens) or (tokens,).

    Losses are in nats/token, singular entropies in nats; all units stand in docs/tables.md.

    The first token of a sequence is only context. Rows of the LM head from `vocabulary_size` on belong to no token and
    are left out of the raw and the centred head; softmax sees them. `token_counts` (vocabulary_size,) say how often a
    corpus holds each token, for `top_frequency_correlation` and text drawn by the unigram law; without them `token_ids`
    are the corpus. Text of the bigram law follows the pairs in `token_ids`. About `random_text_tokens` tokens of each
    are predicted, of seed 0; with 0, their losses are empty. `text_bytes` is the size of the text that the predicted
    tokens stand for; without it `bits_per_byte` is empty. `batch_size` sequences are run at a time. `weight_noise` is
    the relative size of the noise whose cost is measured; without it that is empty.

    Beside the tables' columns: `bits_per_token`, the loss in bits; `singular_ratio`, σ2/σ1 of the head; and
    `singular_ratio_centred`, the same with its mean row removed. What was not asked for is NaN.

    The model runs where it is and in its own type, without dropout, and is left as it was. In bfloat16 or float16 what
    is measured is the rounded model: its hidden states carry the rounding of its layers; only the last product (LM head
    times states) is done in float32, and sums, norms and singular values in float64, as always. Of a model in float64 a
    copy in float32 is measured.

    Raises InputError, in one line, if the model or the ids cannot be measured, or a value is not finite.
    """
    ids = as_sequences(token_ids)
    rows = check_model(model, ids)
    counts = _counts(ids, rows, vocabulary_size, token_counts)
    if model.dtype == torch.float64:
        model = deepcopy(model).float()
    documents = np.broadcast_to(np.arange(len(ids))[:, None], ids[:, 1:].shape)
    sample = EvaluationSample(
        ids[:, :-1], ids[:, 1:], documents, hashlib.sha256(ids.astype("<u4").tobytes()).hexdigest(), text_bytes or 1
    )
    pairs = ids[:, :-1].ravel(), ids[:, 1:].ravel()
    spec = EvaluationSpec(
        sample,
        counts,
        batch_size,
        unargmaxable=False,
        text=None,
        first=None,
        random_text=draw_random_text(counts, pairs, random_text_tokens, ids.shape[1], seed=0),
        weight_noise=weight_noise,
    )
    with evaluated(model):
        measured = measure(model, spec)
    spectrum, loss = pd.DataFrame(measured.spectrum), measured.metrics["cross_entropy_nats"]
    more = {
        "bits_per_token": loss / math.log(2),
        "bits_per_byte": measured.metrics["bits_per_byte"] if text_bytes else None,
        "singular_ratio": ratio(measured.spectrum["singular_value"]),
        "singular_ratio_centred": ratio(measured.spectrum["singular_value_centred"]),
    }
    metrics = {name: math.nan if value is None else value for name, value in (measured.metrics | more).items()}
    return ModelMetrics(
        pd.Series(metrics, dtype=object), pd.DataFrame(measured.layers), spectrum, pd.DataFrame(measured.losses)
    )


def as_sequences(token_ids: ArrayLike) -> NDArray[np.int64]:
    """(sequences, tokens). Raises InputError if they are of another shape or type."""
    try:
        ids = np.atleast_2d(token_ids.cpu() if isinstance(token_ids, torch.Tensor) else token_ids)
    except ValueError as error:  # ragged
        raise InputError("token_ids: sequences of different lengths; allowed: (sequences, tokens)") from error
    if ids.ndim != 2 or not np.issubdtype(ids.dtype, np.integer):
        raise InputError(f"token_ids: {ids.dtype} of shape {ids.shape}; allowed: integers (sequences, tokens)")
    if not len(ids) or ids.shape[1] < 2:
        raise InputError(f"token_ids: shape {ids.shape}; allowed: at least one sequence of two tokens")
    return ids.astype(np.int64)


def check_model(model: Any, ids: NDArray[np.int64]) -> int:
    """The rows of the LM head. Raises InputError if there is none, or the model cannot read so many tokens at once."""
    if not hasattr(model, "get_output_embeddings") or model.config.is_encoder_decoder or not model.can_generate():
        raise InputError(f"{type(model).__name__}: not a causal language model of transformers")
    rows, positions = len(head_of(model).weight), positions_of(model)
    if positions is not None and ids.shape[1] - 1 > positions:
        raise InputError(
            f"token_ids: sequences of {ids.shape[1]} tokens; allowed: {positions + 1}, the model's positions"
        )
    if ids.min() < 0 or ids.max() >= rows:
        wrong = ids.min() if ids.min() < 0 else ids.max()
        raise InputError(f"token_ids: {wrong} is not in the vocabulary; allowed: 0 to {rows - 1}, the LM head's rows")
    return rows


def _counts(
    ids: NDArray[np.int64], rows: int, vocabulary_size: int | None, token_counts: ArrayLike | None
) -> NDArray[np.int64]:
    """(vocabulary_size,) how often each token occurs. Raises InputError if the vocabulary has no such size."""
    size = rows if vocabulary_size is None else vocabulary_size
    if not ids.max() < size <= rows:
        raise InputError(f"vocabulary_size is {size}; allowed: {ids.max() + 1} to {rows}, by token_ids and the LM head")
    counts = np.bincount(ids.ravel(), minlength=size) if token_counts is None else np.asarray(token_counts)
    if counts.shape != (size,):
        raise InputError(f"token_counts: shape {counts.shape}; allowed: ({size},), one a token of the vocabulary")
    return counts


@contextmanager
def evaluated(model: Any) -> Iterator[None]:
    """Turn dropout off for a while: a model made from its config, or in training, has it on."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def ratio(singular_values: NDArray[np.float64]) -> float:
    """The second singular value over the first; NaN if there is no second, or the first is 0."""
    if len(singular_values) < 2 or not singular_values[0]:
        return math.nan
    return float(singular_values[1] / singular_values[0])
