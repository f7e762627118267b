"""A grid of tiny models of one shape, trained at once on one text, and what their held-out loss does at the end.

At a constant learning rate the loss goes up and down by more from checkpoint to checkpoint than saturation raises it.
So losses are means over WINDOWS equal parts of a training, and recipes are judged over seeds (miniature.recipes).
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lm_saturation.config.causes import SaturationSearchOptions
from lm_saturation.config.suites import TrainedModel
from lm_saturation.io.logs import log, progress
from lm_saturation.metrics.evaluation_spec import EvaluationSpec
from lm_saturation.miniature.measured import SHAPES, Measured, Sample, measure
from lm_saturation.stacked.recipe import Recipe
from lm_saturation.stacked.training import StackedTraining
from lm_saturation.stacked.weights import layout_of, stack
from lm_saturation.statistics.loss_increase import loss_increase
from lm_saturation.training.batch_sampler import BatchSampler
from lm_saturation.training.gpt_neox import build_model

PER_WINDOW = 4  # checkpoints
Row = dict[str, Any]


def recipes_of(options: SaturationSearchOptions) -> list[Recipe]:
    """All combinations of the options that models of one shape may differ in; seeds run fastest."""
    grid = product(options.learning_rates, options.schedules, options.weight_decays, options.precisions, options.seeds)
    return [Recipe(*values) for values in grid]


def search_rows(
    ids: NDArray[Any],
    vocabulary_size: int,
    width: int,
    batch_size: int,
    options: SaturationSearchOptions,
    spec: EvaluationSpec,
) -> tuple[list[Row], list[Row]]:
    """Train models of this width on the text `ids` (T,); rows of `saturation_search` and of `saturation_search_curves`.

    Keys of the text are left out. Raises InputError if there is too little text.
    """
    recipes = recipes_of(options)
    training = _training(ids, vocabulary_size, width, batch_size, options, recipes)
    sample, measured, steps = Sample.of(spec), [], checkpoint_steps(training.updates, options.checkpoints)
    bar = iter(progress(range(len(steps)), f"{len(recipes)} models of width {width}", len(steps), "checkpoint"))

    def keep(_: int, weights: Tensor) -> None:
        next(bar)
        measured.append(measure(training.layout, weights, sample))

    training.run(steps, keep)
    tokens = batch_size * options.sequence_length
    shape = {
        "hidden_size": width,
        "vocabulary_size": vocabulary_size,
        "batch_size": batch_size,
        "tokens_per_parameter": training.updates * tokens / training.layout.parameters,
    }
    runs, curves = [], []
    for place, recipe in enumerate(recipes):
        keys = shape | asdict(recipe)
        windows = list(_window_rows(steps, [one.documents[place] for one in measured], sample, measured, place, tokens))
        curves += [keys | {name: row[name] for name in row if name != "documents"} for row in windows]
        runs.append(keys | _run_row(windows, sample, training, place, tokens))
    return runs, curves


def checkpoint_steps(updates: int, number: int) -> list[int]:
    """`number` steps, evenly spaced, the last one after all updates."""
    return [round(updates * (place + 1) / number) for place in range(number)]


def _training(
    ids: NDArray[Any],
    vocabulary_size: int,
    width: int,
    batch_size: int,
    options: SaturationSearchOptions,
    recipes: Sequence[Recipe],
) -> StackedTraining:
    """The models at their initialisation."""
    length = options.sequence_length
    shape: dict[str, Any] = {"width": width, "layers": 1, "attention_heads": 1, "learning_rate": 1.0}
    models = {  # narrower than those of suites may be, so not checked
        seed: build_model(TrainedModel.model_construct(**shape, seed=seed), vocabulary_size, length)
        for seed in options.seeds
    }
    layout = layout_of(models[options.seeds[0]])
    updates = max(options.checkpoints, round(options.tokens_per_parameter * layout.parameters / batch_size / length))
    samplers = {seed: BatchSampler(ids, length, batch_size, seed) for seed in options.seeds}
    log.info(
        "%d models of %d parameters, %d updates, %.1f epochs",
        len(recipes),
        layout.parameters,
        updates,
        updates * batch_size / samplers[options.seeds[0]].epoch_size,
    )
    return StackedTraining(
        layout,
        stack(layout, [models[recipe.seed] for recipe in recipes]),
        recipes,
        [samplers[recipe.seed] for recipe in recipes],
        updates,
    )


def _window_rows(
    steps: list[int],
    documents: list[NDArray[np.float64]],
    sample: Sample,
    measured: list[Measured],
    place: int,
    tokens: int,
) -> Iterator[Row]:
    """A row per window of one run, and under `documents` the mean losses of the documents."""
    for begin in range(0, len(steps), PER_WINDOW):
        window = slice(begin, begin + PER_WINDOW)
        losses = np.mean(documents[window], axis=0)
        shapes = {name: float(np.mean([one.shapes[name][place] for one in measured[window]])) for name in SHAPES}
        yield {
            "window": begin // PER_WINDOW + 1,
            "tokens": steps[window][-1] * tokens,
            "loss_nats": float(losses @ sample.weights / sample.weights.sum()),
            **shapes,
            "documents": losses,
        }


def _run_row(windows: list[Row], sample: Sample, training: StackedTraining, place: int, tokens: int) -> Row:
    """What one run shows: its loss increase with an interval over documents, and its last window."""
    low, high = loss_increase(np.stack([row["documents"] for row in windows]), sample.weights)
    losses, unigram = ([row[name] for row in windows] for name in ("loss_nats", "loss_on_unigram_text"))
    best = int(np.argmin(losses))
    return {
        "parameters": training.layout.parameters,
        "tokens": training.updates * tokens,
        "documents": len(sample.weights),
        "minimum_tokens": windows[best]["tokens"],
        "loss_minimum_nats": losses[best],
        "loss_final_nats": losses[-1],
        "difference_nats": losses[-1] - losses[best],
        "difference_low": low,
        "difference_high": high,
        "unigram_minimum_nats": min(unigram),
        "unigram_final_nats": unigram[-1],
        **{name: windows[-1][name] for name in SHAPES[1:]},
        "skipped_updates": int(training.skipped[place]),
    }
