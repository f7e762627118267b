"""Tiny models trained at once, one at a time, and by a plain loop around transformers: models × tokens a second.

python -m benchmarks.stacked
"""

import time

import numpy as np
import torch

from benchmarks.common import write_results
from benchmarks.training import our_step, plain_step
from lm_saturation.config.suites import TrainedModel
from lm_saturation.stacked.head import stacked_loss
from lm_saturation.stacked.recipe import Recipe
from lm_saturation.stacked.training import StackedTraining
from lm_saturation.stacked.weights import HEAD, layout_of, stack
from lm_saturation.training.batch_sampler import BatchSampler
from lm_saturation.training.gpt_neox import build_model
from lm_saturation.training.recipe import Precision

MODELS = 16  # at once
BATCHES = [(16, 32), (32, 128)]  # sequences and tokens of each: of the search for saturation, and of suite mini
VOCABULARIES, WIDTHS = [512, 2048], [8, 16, 32]
SECONDS, ROUNDS = 0.25, 2  # of CPU time a measurement, every method in turn
RECIPES = [Recipe(0.01, weight_decay=0.1 * (place % 2), seed=place) for place in range(MODELS)]


def built(vocabulary, width, length):
    shape = {"width": width, "layers": 1, "attention_heads": 1, "learning_rate": 1.0}
    return build_model(TrainedModel(**shape), vocabulary, length).train()


def at_once(vocabulary, width, samplers):
    """A function of a step: one update of every model."""
    model = built(vocabulary, width, samplers[0].length)
    layout = layout_of(model)
    return StackedTraining(layout, stack(layout, [model] * MODELS), RECIPES, samplers, 1 << 20).update


def head_alone(vocabulary, width, samplers):
    """A function of a step: the loss of every head and its gradient, as if the trunk cost nothing."""
    model = built(vocabulary, width, samplers[0].length)
    views = layout_of(model).views(stack(layout_of(model), [model] * MODELS))
    heads = views[HEAD].contiguous().requires_grad_()
    states = torch.randn(MODELS, samplers[0].batch_size * samplers[0].length, width)
    targets = torch.from_numpy(np.stack([sampler.batch(0)[:, 1:].ravel() for sampler in samplers]))
    return lambda _: stacked_loss(states, heads, targets, [False] * MODELS).sum().backward()


def one_by_one(step_of):
    """The same of one model that is trained by `step_of`; its cost is that of each."""

    def make(vocabulary, width, samplers):
        step = step_of(built(vocabulary, width, samplers[0].length))
        return lambda number: step(torch.from_numpy(samplers[0].batch(number)))

    return make


METHODS = {
    "at once": (at_once, MODELS),
    "one at a time": (one_by_one(our_step), 1),
    "plain": (one_by_one(plain_step), 1),
    "heads alone": (head_alone, MODELS),
}


def tokens_per_second(vocabulary, width, batch):
    """Of each method: all models' tokens a second of CPU time, the best of some rounds, which neighbours slow least."""
    size, length = batch
    ids = (np.random.default_rng(0).zipf(1.1, 500_000) % vocabulary).astype(np.uint16)
    samplers = [BatchSampler(ids, length, size, recipe.seed) for recipe in RECIPES]
    steps = {name: make(vocabulary, width, samplers) for name, (make, _) in METHODS.items()}
    best = dict.fromkeys(METHODS, 0.0)
    for _ in range(ROUNDS):
        for name, (_, models) in METHODS.items():
            steps[name](0)
            done, start = 0, time.process_time()
            while (seconds := time.process_time() - start) < SECONDS:
                done += 1
                steps[name](done)
            best[name] = max(best[name], done * models * size * length / seconds)
    return best


def main():
    Precision().prepare(threads=1)
    lines = [
        f"{MODELS} models of one layer at once, each with its own batches; one thread, float32; all models' tokens "
        f"a second of CPU time, best of {ROUNDS}. Plain: as in *Training of mini*. Heads alone: loss and gradient of "
        "the LM heads, as if the trunk cost nothing: what no batching of the rest can exceed with this kernel.",
        "",
        "| batch | V | d | at once | one at a time | plain | heads alone | / one at a time | / plain | "
        "heads alone / plain |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for batch in BATCHES:
        for vocabulary in VOCABULARIES:
            for width in WIDTHS:
                found = tokens_per_second(vocabulary, width, batch)
                numbers = " | ".join(f"{found[name]:,.0f}" for name in METHODS)
                ours, single, plain, heads = (found[name] for name in METHODS)
                lines.append(
                    f"| {batch[0]} × {batch[1]} | {vocabulary:,} | {width} | {numbers} | {ours / single:.1f} | "
                    f"{ours / plain:.1f} | {heads / plain:.1f} |"
                )
    write_results("Tiny models at once", "python -m benchmarks.stacked", ["torch", "transformers", "numba"], lines)


if __name__ == "__main__":
    main()
