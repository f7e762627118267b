"""Training of models with one remedy, one per seed, measured at given steps.

Seeds decide weights and the order of the text, so that models of one seed and different remedies are a pair.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lm_saturation.config.metrics import HeldOut
from lm_saturation.config.tied import RemedyName, TiedTrainingOptions
from lm_saturation.errors import InputError
from lm_saturation.inference.evaluation_sample import EvaluationSample, draw_sample
from lm_saturation.io.logs import log
from lm_saturation.text.splits import Documents, split_documents
from lm_saturation.text.token_files import Tokens
from lm_saturation.tied.measured_run import MeasuredRun, Measurement, measure_model
from lm_saturation.tied.remedied_model import build_with_remedy
from lm_saturation.tied.remedies import REMEDIES
from lm_saturation.training.batch_sampler import BatchSampler
from lm_saturation.training.loop import train
from lm_saturation.training.recipe import Precision
from lm_saturation.training.train_model import run_fingerprint


class TrainedRemedy(NamedTuple):
    """The rows of the table `tied_training`, and the parts of the table `tied_spectrum`."""

    rows: list[dict[str, Any]]
    spectra: list[dict[str, Any]]


def train_remedy(
    shards: Sequence[Tokens],
    remedy: RemedyName,
    options: TiedTrainingOptions,
    held_out: HeldOut,
    folder: Path,
    code: str,
) -> TrainedRemedy:
    """Train and measure the models of all seeds; their states are kept in `folder`, for a run that is killed.

    Raises InputError if there is too little text, or a loss is not finite.
    """
    text = split_documents(shards, held_out)
    vocabulary_size = shards[0].vocabulary_size
    sample = held_out_sample(text.test, vocabulary_size, options)
    constants = remedy_constants(remedy, options, vocabulary_size)
    rows, spectra = [], []
    for seed in options.seeds:
        name = f"{remedy}, seed {seed}"
        decisive = [options.model_copy(update={"seeds": [seed]}), held_out]
        fingerprint = run_fingerprint(shards, decisive, code, remedy=remedy)
        measure = partial(measure_model, sample=sample, batch_size=options.batch_size, name=name)
        run = MeasuredRun(folder / f"{seed}.pt", fingerprint, measure)
        parameters = train_seed(remedy, seed, options, text.train.ids, vocabulary_size, run, name)
        for measurement in run.measurements:
            keys = {"remedy": remedy, "seed": seed, "step": measurement["step"]}
            tokens = options.batch_size * options.sequence_length * measurement["step"]
            rows.append({**constants, **measurement, **keys, "parameters": parameters, "tokens": tokens})
            spectra.append({**keys, **spectrum_columns(measurement)})
    return TrainedRemedy(rows, spectra)


def held_out_sample(text: Documents, vocabulary_size: int, options: TiedTrainingOptions) -> EvaluationSample:
    """The tokens that every model is measured on, whatever its remedy and seed; `text` is held out."""
    sizes = np.zeros(vocabulary_size, np.int64)  # bits per byte are not measured
    length, key = options.sequence_length + 1, "tied.training.held_out_tokens"
    return draw_sample([text], options.held_out_tokens, length, 0, sizes, None, key)


def remedy_constants(remedy: RemedyName, options: TiedTrainingOptions, vocabulary_size: int) -> dict[str, Any]:
    """The columns of `tied_training` that all models with a remedy share: sizes, σ, and the loss that they start with.

    That loss is the second formula's, which takes branches to start at zero (`residual_scale` 0).
    """
    width = options.model.width
    sigma = REMEDIES[remedy].sigma(options.sigma, vocabulary_size, width)
    return {
        "vocabulary_size": vocabulary_size,
        "width": width,
        "layers": options.model.layers,
        "sigma": sigma,
        "expected_nats": REMEDIES[remedy].expected_loss(vocabulary_size, width, sigma),
    }


def train_seed(
    remedy: RemedyName,
    seed: int,
    options: TiedTrainingOptions,
    ids: NDArray[Any],
    vocabulary_size: int,
    run: MeasuredRun,
    name: str,
) -> int:
    """Train the model of a seed on `ids` (T,), with its measurements in `run`; returns its number of parameters."""
    try:
        sampler = BatchSampler(ids, options.sequence_length, options.batch_size, seed)
    except InputError as error:
        raise InputError(f"tied.training: {error}") from error
    model = build_with_remedy(REMEDIES[remedy], options, seed, vocabulary_size)
    precision = Precision(options.device, options.precision)
    train(model, sampler, options.steps, options.model.learning_rate, precision, run, name)
    if (model.lm_head.weight is model.gpt_neox.embed_in.weight) != REMEDIES[remedy].tied:
        raise RuntimeError(f"{name}: training has tied or untied the head")
    parameters = sum(weights.numel() for weights in model.parameters())  # a tied matrix counts once
    log.info("%s: %d parameters, %.3f nats", name, parameters, run.measurements[-1]["loss_nats"])
    return parameters


def spectrum_columns(measurement: Measurement) -> dict[str, Any]:
    """The columns of the table `tied_spectrum` of one measurement."""
    values = np.array(measurement["singular_values"])
    return {
        "rank": np.arange(1, len(values) + 1),
        "singular_value": values,
        "singular_value_centred": np.array(measurement["singular_values_centred"]),
    }
