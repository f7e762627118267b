"""probe(model, tokenizer, texts): the health of a causal language model, in numbers with their place.

from lm_saturation import probe
health = probe(model, tokenizer, texts)
print(health)
"""

import math
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lm_saturation.errors import InputError
from lm_saturation.in_memory import check_model, ratio
from lm_saturation.metrics import (
    anisotropy,
    cross_entropy,
    head_spectrum,
    logit_precision,
    singular_entropy,
    unargmaxable,
)
from lm_saturation.metrics.forward_pass import ForwardPass, run_forward
from lm_saturation.metrics.random_text import random_text_losses
from lm_saturation.options import suggestion
from lm_saturation.probing.nanogpt import is_nanogpt, nanogpt_in_memory
from lm_saturation.probing.readings import ALL, Reading, read
from lm_saturation.probing.references import References, trained_models
from lm_saturation.probing.sample import ProbeSample, SampleOptions, make_sample
from lm_saturation.probing.unchanged import unchanged, unwrapped

METRICS = (cross_entropy, logit_precision, anisotropy, head_spectrum, singular_entropy, unargmaxable)


@dataclass(frozen=True)
class Health:
    """What a probe found. `health["logit_offset"]` is a number; print it for all of them."""

    values: dict[str, float]  # by name
    sample: dict[str, Any]  # sequences, tokens, sha256 of the text
    width: int  # d
    losses: NDArray[np.float64]  # (sequences,) nats/token
    documents: NDArray[np.int64]  # (sequences,) the text that each begins in
    beside: References = field(default_factory=dict)  # what readings are placed among besides published numbers

    def __getitem__(self, name: str) -> float:
        if name not in self.values:
            known = ", ".join(self.values)
            raise KeyError(f"{name!r}{suggestion(name, self.values)}; there are {known}")
        return self.values[name]

    @cached_property
    def readings(self) -> list[Reading]:
        """Each number with its meaning and its place among published models."""
        return read(self.values, self.width, self.beside)

    def plain(self) -> dict[str, Any]:
        """All of it for JSON."""
        return {"sample": self.sample, "readings": {reading.name: reading.plain() for reading in self.readings}}

    def __str__(self) -> str:
        from lm_saturation.probing.tables import as_text

        return as_text(self.readings)


def probe(
    model: Any,
    tokenizer: Any,
    texts: Any,
    *,
    tokens: int = 4096,
    sequence_length: int = 256,
    unigram_tokens: int = 2048,
    batch_size: int = 8,
    unargmaxable: bool | None = None,
    beside: str | Path | None = None,
) -> Health:
    """Measure a causal language model of transformers, or one of nanoGPT, on a small fixed sample of `texts`.

    `texts` is a text or several; with tokenizer None, token ids (tokens,) or (sequences, tokens). The sample is at most
    `tokens` predicted tokens in sequences of `sequence_length`, drawn from as many texts as it can be, the same each
    time. `unigram_tokens` of random text follow the frequencies of tokens in `texts`. Tokens never likeliest are
    searched for (`unargmaxable`) where the vocabulary has at most 8,192 tokens, unless it says otherwise. `beside` is a
    folder with the results of a run of the workflow, whose models readings are placed among, too.

    Losses are in nats/token, offset and spread of logits in nats; docs/probe.md says what each number means. The model
    runs where it is, without dropout; its mode, weights and every random state stay as they were. In bfloat16 or
    float16 what is measured is the rounded model; only its last product is done in float32. Of a model in float64 a
    copy in float32 is measured.

    Raises InputError, in one line, if the model or the text cannot be measured, or a loss is not finite.
    """
    options = SampleOptions.of(
        {
            "tokens": tokens,
            "sequence_length": sequence_length,
            "unigram_tokens": unigram_tokens,
            "batch_size": batch_size,
            "unargmaxable": unargmaxable,
        }
    )
    model = causal_model(model)
    others = {} if beside is None else trained_models(beside)
    return replace(measure_health(model, make_sample(model, tokenizer, texts, options)), beside=others)


def causal_model(model: Any) -> Any:
    """The model of transformers that is measured for `model`: without wrappers; a copy of one of nanoGPT.

    Raises InputError if it is neither.
    """
    model = unwrapped(model)
    if is_nanogpt(model):
        return nanogpt_in_memory(model)
    check_model(model, np.zeros((1, 2), np.int64))
    return model


def measure_health(model: Any, sample: ProbeSample, *, checked: bool = False) -> Health:
    """The numbers of a causal model of transformers on a sample made for it. Raises InputError as `probe`.

    Of a model that is `checked`, by an earlier call, that it is causal is not tried again.
    """
    if model.dtype == torch.float64:
        model = deepcopy(model).float()
    with unchanged(model):
        forward = run_forward(model, sample.spec, checked=checked)
        values = _values(forward, sample)
    documents = sample.spec.sample.documents[:, 0]
    return Health(values, sample.described(), int(forward.states.shape[-1]), forward.losses.mean(1), documents)


def _values(forward: ForwardPass, sample: ProbeSample) -> dict[str, float]:
    """The columns of MEANINGS that were measured; infinite where a logit overflows float16."""
    found: dict[str, Any] = {}
    for metric in METRICS:
        found |= metric.columns(forward)
    for name in ("loss_float16", "loss_float16_centred"):
        found[name] = math.inf if found[name] is None else found[name]
    for half in ("bfloat16", "float16"):
        found[f"{half}_cost"] = found[f"loss_{half}"] - found["loss_float32"]
        found[f"{half}_cost_centred"] = found[f"loss_{half}_centred"] - found["loss_float32_centred"]
    spectrum = forward.head_spectrum
    found["singular_ratio"], found["singular_ratio_centred"] = ratio(spectrum.plain), ratio(spectrum.centred)
    if sample.unigram is not None:
        spec = sample.spec
        losses = random_text_losses(forward.model, sample.unigram, spec.batch_size, spec.first)
        found["loss_on_unigram_text"] = float(losses.double().mean())
        found["unigram_entropy"] = sample.unigram_entropy
        if not math.isfinite(found["loss_on_unigram_text"]):
            raise InputError("a loss on random text that is not finite")
    if not sample.knows_bytes:
        del found["bits_per_byte"]
    return {name: float(found[name]) for name in ALL if found.get(name) is not None}
