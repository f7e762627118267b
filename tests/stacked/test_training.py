"""Models trained at once against the same models trained one at a time, by lm_saturation.training."""

import numpy as np
import pytest
import torch

from lm_saturation.config.suites import TrainedModel
from lm_saturation.invisible.training import variant_loss
from lm_saturation.stacked.recipe import Recipe
from lm_saturation.stacked.training import StackedTraining
from lm_saturation.stacked.weights import layout_of, stack, unstack
from lm_saturation.training.batch_sampler import BatchSampler
from lm_saturation.training.gpt_neox import build_model
from lm_saturation.training.loop import batch_loss, make_optimizer, update
from lm_saturation.training.recipe import Precision

VOCABULARY, LENGTH, BATCH, UPDATES = 40, 12, 8, 30
TOLERANCE = 2e-5  # of losses and weights after 30 updates: sums in float32 in another order
IDS = np.random.default_rng(0).zipf(1.3, 4000) % VOCABULARY


def built(seed, width=8, layers=1, heads=1):
    shape = TrainedModel.model_construct(
        width=width, layers=layers, attention_heads=heads, learning_rate=1.0, seed=seed
    )
    return build_model(shape, VOCABULARY, LENGTH).train()


def sampler(seed):
    return BatchSampler(IDS, LENGTH, BATCH, seed)


def one_at_a_time(model, recipe, updates=UPDATES):
    """Losses and norms of the gradients; the arithmetic of training.loop, where only rate and decay may differ."""
    optimizer, batches, found = make_optimizer(model), sampler(recipe.seed), []
    optimizer.param_groups[0]["weight_decay"] = recipe.weight_decay
    for step in range(updates):
        batch = torch.from_numpy(batches.batch(step))
        if recipe.precision == "float32":
            loss = batch_loss(model, batch, Precision())
        else:
            loss = variant_loss(model, batch, "bfloat16_logits", 0.0)
        found.append((float(loss.detach()), update(model, optimizer, loss, recipe.rate(step + 1, updates))))
    return np.array(found)


def at_once(models, recipes, updates=UPDATES):
    layout = layout_of(models[0])
    training = StackedTraining(layout, stack(layout, models), recipes, [sampler(r.seed) for r in recipes], updates)
    found = [torch.stack(training.update(step)).numpy() for step in range(updates)]
    return np.array(found).transpose(2, 0, 1), training


RECIPES = [
    Recipe(0.02, seed=0),
    Recipe(0.05, schedule="constant", seed=1),
    Recipe(0.1, weight_decay=0.0, seed=2),
    Recipe(0.01, schedule="constant", weight_decay=0.5, seed=2),
]


@pytest.mark.parametrize("shape", [(4, 1, 1), (8, 1, 1), (16, 2, 2)])
def test_equals_training_one_at_a_time(shape):
    found, training = at_once([built(recipe.seed, *shape) for recipe in RECIPES], RECIPES)
    for place, recipe in enumerate(RECIPES):
        model = built(recipe.seed, *shape)
        expected = one_at_a_time(model, recipe)
        np.testing.assert_allclose(found[place], expected, rtol=TOLERANCE, atol=TOLERANCE)
        trained = built(99, *shape)
        unstack(training.layout, training.weights[place], trained)
        for (name, ours), other in zip(trained.named_parameters(), model.parameters(), strict=True):
            kept = seen(name, ours, shape)
            torch.testing.assert_close(ours[kept], other[kept], rtol=TOLERANCE, atol=TOLERANCE)


def seen(name, weight, shape):
    """Which rows the loss depends on: all but biases of keys in dimensions that are not turned.

    Such a bias adds the same to all scores of a query. Its gradient is rounding, which Adam makes steps of.
    """
    rows = torch.ones(len(weight), dtype=torch.bool)
    if name.endswith("query_key_value.bias"):
        width, _, heads = shape
        keys = rows.view(heads, 3, width // heads)[:, 1]
        keys[:, 2:] = False
    return rows


def test_weights_go_in_and_out():
    model = built(0, 16, 2, 2)
    layout = layout_of(model)
    rows = stack(layout, [model])
    assert rows.shape == (1, model.num_parameters()) == (1, layout.parameters)
    assert layout.decayed == sum(weight.numel() for weight in model.parameters() if weight.ndim > 1)
    other = built(1, 16, 2, 2)
    unstack(layout, rows[0], other)
    for ours, theirs in zip(other.parameters(), model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_bfloat16_logits_as_one_at_a_time():
    """Losses of the first updates; later ones are apart, for sums in another order round to other logits."""
    recipes = [Recipe(0.02, seed=0), Recipe(0.02, precision="bfloat16", seed=0)]
    found, _ = at_once([built(0) for _ in recipes], recipes, updates=10)
    for place, recipe in enumerate(recipes):
        expected = one_at_a_time(built(0), recipe, updates=10)
        np.testing.assert_allclose(found[place, :, 0], expected[:, 0], rtol=2e-3)
        np.testing.assert_allclose(found[place, :3, 1], expected[:3, 1], rtol=1e-2)
    assert (np.abs(found[0, :, 0] - found[1, :, 0]) > 1e-6).any()


def test_a_model_whose_gradient_is_not_finite_stays_as_it_is():
    recipes = [Recipe(0.02, seed=0), Recipe(0.02, seed=1)]
    models = [built(recipe.seed) for recipe in recipes]
    alone, _ = at_once([built(1)], recipes[1:])
    with torch.no_grad():
        models[0].lm_head.weight[0] = float("nan")
    layout = layout_of(models[0])
    training = StackedTraining(layout, stack(layout, models), recipes, [sampler(r.seed) for r in recipes], UPDATES)
    before = training.weights[0].detach().clone()
    losses = np.array([training.update(step)[0].numpy() for step in range(UPDATES)])
    assert torch.equal(torch.nan_to_num(training.weights[0]), torch.nan_to_num(before))
    assert training.skipped.tolist() == [UPDATES, 0]
    np.testing.assert_allclose(losses[:, 1], alone[0, :, 0], rtol=1e-6)


def test_runs_to_the_end_with_the_callback_at_the_steps():
    model, seen_steps = built(0), []
    layout = layout_of(model)
    training = StackedTraining(layout, stack(layout, [model]), [Recipe(0.01)], [sampler(0)], 5)
    training.run([0, 2, 5], lambda step, weights: seen_steps.append((step, float(weights.abs().sum()))))
    assert [step for step, _ in seen_steps] == [0, 2, 5]
    assert len({size for _, size in seen_steps}) == 3


def test_rates_of_the_schedules():
    constant, cosine = Recipe(0.1, schedule="constant"), Recipe(0.1)
    assert [constant.rate(update, 1000) for update in (5, 10, 500, 1000)] == pytest.approx([0.05, 0.1, 0.1, 0.1])
    assert [cosine.rate(update, 1000) for update in (5, 10, 1000)] == pytest.approx([0.05, 0.1, 0.01])
