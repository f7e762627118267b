"""All metrics of one checkpoint, from one forward pass over the sample."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from scripts.common.jobs import InputError
from scripts.metrics import cross_entropy, logit_precision
from scripts.metrics.anisotropy import Anisotropy, anisotropy
from scripts.metrics.effective_rank import effective_rank
from scripts.metrics.head_spectrum import HeadSpectrum, centre, gram, head_spectrum, singular_values
from scripts.metrics.logits import check, for_each_logits, head_of
from scripts.metrics.sample import Sample
from scripts.metrics.singular_entropy import singular_entropy
from scripts.metrics.token_frequency import frequency_correlation
from scripts.metrics.trunk import text_config, trunk_states
from scripts.metrics.unargmaxable import count_unargmaxable, seen_argmax
from scripts.metrics.word_perplexity import Text, word_perplexity


@dataclass(frozen=True)
class Task:
    """What to measure every checkpoint of a suite on."""

    sample: Sample
    counts: NDArray[np.int64]  # (vocabulary,) how often the corpus holds each token
    batch_size: int  # sequences
    unargmaxable: bool
    text: Text | None  # for word perplexity
    first: int | None  # id of the token put before every sequence


@dataclass(frozen=True)
class Measured:
    """The columns of each table for one checkpoint, without its keys."""

    metrics: dict[str, Any]
    layers: dict[str, Any]
    spectrum: dict[str, Any]
    losses: dict[str, Any]


def measure(model: Any, task: Task) -> Measured:
    """All metrics of a model. Raises InputError if it does not fit the sample, or a value is not finite."""
    _check_model(model, task)
    states, rows = _layers(model, task)
    found, seen = _logits(model, task, states)
    loss = cross_entropy.summarise(found[0].double().cpu().numpy().reshape(task.sample.targets.shape))
    if not np.isfinite(loss.mean):
        raise InputError("a loss that is not finite")
    head = head_of(model)
    spectrum = head_spectrum(head.weight.detach(), len(task.counts))
    tokens = task.sample.targets.size
    perplexity = None
    if task.text:
        perplexity = word_perplexity(model, task.text, task.first, task.sample.inputs.shape[1], task.batch_size)
    metrics = {
        **_about(model, task),
        "cross_entropy_nats": loss.mean,
        "cross_entropy_error": loss.error,
        "bits_per_byte": cross_entropy.bits_per_byte(loss.mean * tokens, task.sample.size),
        "word_perplexity": perplexity,
        **_hidden(states, rows[-1][2]),
        **_head(spectrum, task.counts),
        **logit_precision.summarise(found),
        "unargmaxable_tokens": _unargmaxable(head, len(task.counts), seen) if task.unargmaxable else None,
    }
    losses = {"sequence": np.arange(len(loss.sequences)), "tokens": tokens // len(loss.sequences)}
    return Measured(metrics, _layer_columns(rows), _spectrum_columns(spectrum), {**losses, "loss_nats": loss.sequences})


def _check_model(model: Any, task: Task) -> None:
    """Raises InputError if the model has too few positions or head rows for the text."""
    most, width = getattr(text_config(model), "max_position_embeddings", None), task.sample.inputs.shape[1]
    if most is not None and width > most:
        raise InputError(f"metrics.sequence_length makes it read {width} tokens at once; its positions end at {most}")
    rows = len(head_of(model).weight)
    for what, ids in ("sample", [task.sample.inputs, task.sample.targets]), ("text", task.text and task.text.documents):
        if ids and (largest := max(int(some.max()) for some in ids)) >= rows:
            raise InputError(f"the {what} holds token {largest}, the LM head has {rows} rows: another tokenizer")


Row = tuple[int, str, Anisotropy]


def _layers(model: Any, task: Task) -> tuple[torch.Tensor, list[Row]]:
    """The states (sequences, predicted tokens, d) that the head reads, and the anisotropy of each layer."""
    rows: list[Row] = []

    def add(layer: int, state: str, states: torch.Tensor) -> None:
        found = anisotropy(states[:, task.sample.skip :])
        if not np.isfinite(found.mean_norm):
            raise InputError(f"layer {layer}: hidden states that are not finite")
        rows.append((layer, state, found))

    ids = torch.from_numpy(task.sample.inputs).to(model.device)
    states = trunk_states(model, ids, task.batch_size, lambda layer, given: add(layer, "residual", given))
    check(model, ids, states)
    add(rows[-1][0], "after_norm", states)
    return states[:, task.sample.skip :], rows


def _logits(model: Any, task: Task, states: torch.Tensor) -> tuple[torch.Tensor, NDArray[np.bool_]]:
    """The columns of `logit_precision` (8, n) of all tokens, and which tokens (V,) are the argmax of any."""
    flat, targets = states.flatten(0, 1), torch.from_numpy(task.sample.targets).flatten().to(model.device)
    columns = torch.empty(len(logit_precision.COLUMNS), len(flat), device=model.device)
    seen = np.zeros(len(head_of(model).weight), np.bool_)

    def work(places: slice, logits: torch.Tensor) -> None:
        if task.unargmaxable:
            seen[:] |= seen_argmax(logits)
        columns[:, places] = logit_precision.logit_precision(logits, targets[places], len(task.counts))

    for_each_logits(model, flat, work)
    return columns, seen


def _unargmaxable(head: Any, vocabulary_size: int, seen: NDArray[np.bool_]) -> int:
    bias = None if head.bias is None else head.bias.detach().double().cpu().numpy()
    return count_unargmaxable(head.weight.detach().double().cpu().numpy(), bias, vocabulary_size, seen)


def _about(model: Any, task: Task) -> dict[str, Any]:
    """What is known of the model before it runs."""
    head, parameters = head_of(model).weight, list(model.parameters())  # tied ones come once
    embeddings = [module.weight for module in model.modules() if isinstance(module, torch.nn.Embedding)]
    not_counted = {id(weights) for weights in (*embeddings, *head_of(model).parameters())}
    return {
        "parameters": sum(weights.numel() for weights in parameters),
        "non_embedding_parameters": sum(weights.numel() for weights in parameters if id(weights) not in not_counted),
        "layers": text_config(model).num_hidden_layers,
        "hidden_size": head.shape[1],
        "head_rows": len(head),
        "vocabulary_size": len(task.counts),
        "tied": int(head is model.get_input_embeddings().weight),
        "dtype": str(head.dtype).removeprefix("torch."),
        "sample_sha256": task.sample.sha256,
        "sample_tokens": task.sample.targets.size,
    }


def _hidden(states: torch.Tensor, last: Anisotropy) -> dict[str, float]:
    """What the states (..., d) that the head reads have in common."""
    product, total = gram(states)
    number = states.numel() // states.shape[-1]
    rank = min(number, states.shape[-1])
    return {
        "anisotropy": last.raw,
        "anisotropy_centred": last.centred,
        "hidden_mean_share": last.mean_share,
        "hidden_norm": last.mean_norm,
        "hidden_effective_rank": effective_rank(singular_values(product, rank)),
        "hidden_effective_rank_centred": effective_rank(singular_values(centre(product, total, number), rank)),
    }


def _head(spectrum: HeadSpectrum, counts: NDArray[np.int64]) -> dict[str, Any]:
    """The LM head in numbers."""
    plain, centred = spectrum.plain[: spectrum.rank], spectrum.centred[: spectrum.rank]
    correlation = frequency_correlation(spectrum.first_centred, counts)
    return {
        "head_norm": spectrum.norm,
        "head_mean_share": spectrum.mean_share,
        "head_effective_rank": effective_rank(plain),
        "head_effective_rank_centred": effective_rank(centred),
        "singular_entropy": singular_entropy(plain, 2),
        "singular_entropy_centred": singular_entropy(centred, 2),
        "singular_entropy_padded": singular_entropy(spectrum.padded, 2),
        "singular_entropy_sigma": singular_entropy(plain, 1),
        "singular_entropy_sigma_centred": singular_entropy(centred, 1),
        "top_frequency_correlation": frequency_correlation(spectrum.first, counts),
        "top_frequency_correlation_centred": None if correlation is None else abs(correlation),
    }


def _layer_columns(rows: list[Row]) -> dict[str, Any]:
    layer = np.array([number for number, _, _ in rows])
    return {
        "layer": layer,
        "depth": layer / max(1, layer.max()),
        "state": [state for _, state, _ in rows],
        "anisotropy": np.array([found.raw for _, _, found in rows]),
        "anisotropy_centred": np.array([found.centred for _, _, found in rows]),
        "mean_share": np.array([found.mean_share for _, _, found in rows]),
        "mean_norm": np.array([found.mean_norm for _, _, found in rows]),
    }


def _spectrum_columns(spectrum: HeadSpectrum) -> dict[str, Any]:
    return {
        "rank": np.arange(1, len(spectrum.padded) + 1),
        "singular_value": spectrum.plain,
        "singular_value_centred": spectrum.centred,
        "singular_value_padded": spectrum.padded,
    }
