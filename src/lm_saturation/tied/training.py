"""Training of models with one remedy, one per seed, measured at given steps; before that, of some that choose a rate.

Rates are tried with the first seed and half of the steps, on a schedule that ends there. So at the rate chosen, what
the first seed's model gains beyond that is what twice the training gained. Seeds decide weights and the order of the
text, so that models of one seed and different remedies are a pair.
"""

from collections.abc import Sequence
from dataclasses import dataclass
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
from lm_saturation.tied.measured_run import DivergedError, MeasuredRun, Measurement, measure_model
from lm_saturation.tied.remedied_model import build_with_remedy, initial_sigma
from lm_saturation.tied.remedies import REMEDIES
from lm_saturation.training.batch_sampler import BatchSampler
from lm_saturation.training.loop import train
from lm_saturation.training.recipe import Precision
from lm_saturation.training.train_model import run_fingerprint


class Text(NamedTuple):
    """Text in tokens: its shards, and the ids (T,) that are trained on."""

    shards: Sequence[Tokens]
    ids: NDArray[Any]

    @property
    def vocabulary_size(self) -> int:
        """Tokens of the vocabulary."""
        return self.shards[0].vocabulary_size


class Setting(NamedTuple):
    """What models with a remedy are compared in, and the remedy: columns of all tables of trainings."""

    tokenizer: str
    residual_scale: float
    remedy: RemedyName

    def __str__(self) -> str:
        return f"{self.remedy}, {self.tokenizer}, branches times {self.residual_scale:g}"


class TrainedRemedy(NamedTuple):
    """The rows of the tables `tied_training` and `tied_rates`, and the parts of the table `tied_spectrum`."""

    rows: list[dict[str, Any]]
    spectra: list[dict[str, Any]]
    rates: list[dict[str, Any]]


@dataclass(frozen=True)
class Study:
    """What the trainings with a remedy have in common."""

    text: Text
    setting: Setting
    options: TiedTrainingOptions
    held_out: HeldOut
    sample: EvaluationSample
    folder: Path  # of states, for a run that is killed
    code: str

    def train(self, seed: int, rate: float, steps: list[int], name: str) -> tuple[list[Measurement], int]:
        """Train a model and measure it at `steps`; the measurements, and its number of parameters.

        Raises InputError if there is too little text, DivergedError if a loss is not finite.
        """
        model = self.options.model.model_copy(update={"learning_rate": rate})
        options = self.options.model_copy(update={"model": model, "seeds": [seed], "steps": steps, "rate_factors": []})
        decisive = [options, self.held_out]
        fingerprint = run_fingerprint(self.text.shards, decisive, self.code, setting=str(self.setting))
        title = f"{self.setting}, {name}"
        measure = partial(measure_model, sample=self.sample, batch_size=options.batch_size, name=title)
        run = MeasuredRun(self.folder / f"{name}.pt", fingerprint, measure)
        parameters = train_seed(self.setting, seed, options, self.text, run, title)
        return run.measurements, parameters

    def try_rates(self) -> list[dict[str, Any]]:
        """Rows of `tied_rates`: each rate with the first seed and half of the steps; a loss that diverges is empty.

        Raises InputError if all do.
        """
        seed, steps, rows = self.options.seeds[0], self.options.half_steps, []
        for factor in self.options.rate_factors:
            rate, loss = factor * self.options.model.learning_rate, None
            try:
                measurements, _ = self.train(seed, rate, steps, f"rate {rate:g}")
                loss = measurements[-1]["loss_nats"]
            except DivergedError as error:
                log.warning("%s", error)
            keys = {**self.setting._asdict(), "seed": seed, "steps": steps[-1]}
            rows.append({**keys, "learning_rate": rate, "loss_nats": loss})
        losses = [row["loss_nats"] for row in rows if row["loss_nats"] is not None]
        if rows and not losses:
            raise InputError(f"model {self.setting}: its loss is finite at none of tied.training.rate_factors")
        return [{**row, "is_best": int(row["loss_nats"] == min(losses))} for row in rows]


def train_remedy(
    shards: Sequence[Tokens],
    setting: Setting,
    options: TiedTrainingOptions,
    held_out: HeldOut,
    folder: Path,
    code: str,
) -> TrainedRemedy:
    """Train and measure the models of all seeds; their states are kept in `folder`, for a run that is killed.

    Raises InputError if there is too little text, or a loss is not finite.
    """
    split = split_documents(shards, held_out)
    text = Text(shards, split.train.ids)
    sample = held_out_sample(split.test, text.vocabulary_size, options)
    study = Study(text, setting, options, held_out, sample, folder, code)
    rates = study.try_rates()
    rate = next((row["learning_rate"] for row in rates if row["is_best"]), options.model.learning_rate)
    constants = remedy_constants(setting.remedy, options, text.vocabulary_size)
    rows, spectra = [], []
    for seed in options.seeds:
        measurements, parameters = study.train(seed, rate, options.steps, f"seed {seed}")
        for measurement in measurements:
            keys = {**setting._asdict(), "seed": seed, "step": measurement["step"]}
            tokens = options.batch_size * options.sequence_length * measurement["step"]
            facts = {"learning_rate": rate, "parameters": parameters, "tokens": tokens}
            rows.append({**constants, **measurement, **keys, **facts})
            spectra.append({**keys, **spectrum_columns(measurement)})
    return TrainedRemedy(rows, spectra, rates)


def held_out_sample(text: Documents, vocabulary_size: int, options: TiedTrainingOptions) -> EvaluationSample:
    """The tokens that every model is measured on, whatever its remedy and seed; `text` is held out."""
    sizes = np.zeros(vocabulary_size, np.int64)  # bits per byte are not measured
    length, key = options.sequence_length + 1, "tied.training.held_out_tokens"
    return draw_sample([text], options.held_out_tokens, length, 0, sizes, None, key)


def remedy_constants(remedy: RemedyName, options: TiedTrainingOptions, vocabulary_size: int) -> dict[str, Any]:
    """The columns of `tied_training` that all models with a remedy share: sizes, σ, and the loss that they start with.

    That loss is the second formula's, which takes branches to start at zero (`residual_scale` 0).
    """
    width, sigma = options.model.width, initial_sigma(REMEDIES[remedy], options, vocabulary_size)
    return {
        "vocabulary_size": vocabulary_size,
        "width": width,
        "layers": options.model.layers,
        "sigma": sigma,
        "expected_nats": REMEDIES[remedy].expected_loss(vocabulary_size, width, sigma),
    }


def train_seed(
    setting: Setting, seed: int, options: TiedTrainingOptions, text: Text, run: MeasuredRun, name: str
) -> int:
    """Train the model of a seed, with its measurements in `run`; returns its number of parameters."""
    remedy = REMEDIES[setting.remedy]
    try:
        sampler = BatchSampler(text.ids, options.sequence_length, options.batch_size, seed)
    except InputError as error:
        raise InputError(f"tied.training: {error}") from error
    model = build_with_remedy(remedy, options, setting.residual_scale, seed, text.vocabulary_size)
    precision = Precision(options.device, options.precision)
    train(model, sampler, options.steps, options.model.learning_rate, precision, run, name)
    if (model.lm_head.weight is model.gpt_neox.embed_in.weight) != remedy.tied:
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
