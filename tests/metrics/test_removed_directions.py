"""Loss without singular directions, against transformers' own forward with changed states or a changed head."""

import math
from copy import deepcopy

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from lm_saturation.metrics.measure import measure
from lm_saturation.metrics.removed_directions import REMOVED, TOKENS
from tests.metrics.models import ROWS, tiny_model, tiny_sample, tiny_task

FAMILIES = ["gpt_neox", "gpt2", "opt", "gemma2", "gptj", "granite"]
USED = 90  # of the rows of the head; the others are padding


def own_loss(model, sample, remove=None):
    """The loss of a model's own forward; `remove` changes what its head reads."""
    hook = None
    if remove is not None:
        hook = model.get_output_embeddings().register_forward_pre_hook(lambda _, inputs: (remove(inputs[0]),))
    with torch.no_grad():
        logits = model(torch.from_numpy(sample.inputs)).logits[:, sample.skip :].double()
    if hook:
        hook.remove()
    return float(cross_entropy(logits.flatten(0, 1)[:TOKENS], torch.from_numpy(sample.targets).flatten()[:TOKENS]))


def first_directions(matrix, number):
    return torch.linalg.svd(matrix.double(), full_matrices=False).Vh[:number].T


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_the_models_own_forward(family):
    model, task = tiny_model(family), tiny_task(USED, sample=tiny_sample(first=2, largest=USED))
    metrics = measure(model, task).metrics
    assert metrics["loss_with_all_directions"] == pytest.approx(own_loss(model, task.sample), abs=1e-4)
    with torch.no_grad():
        states = model.get_decoder()(torch.from_numpy(task.sample.inputs)).last_hidden_state[:, 1:].flatten(0, 1)
    weight = model.get_output_embeddings().weight.detach()
    for number in REMOVED:
        directions = first_directions(states, number)
        expected = own_loss(
            model, task.sample, lambda read, v=directions: (read.double() - read.double() @ v @ v.T).float()
        )
        assert metrics[f"loss_without_state_directions_{number}"] == pytest.approx(expected, abs=1e-4)

        other, directions = deepcopy(model), first_directions(weight[:USED], number)
        changed = (weight.double() - weight.double() @ directions @ directions.T).float()
        other.get_output_embeddings().weight = torch.nn.Parameter(changed)  # not the embedding, where tied
        expected = own_loss(other, task.sample)
        assert metrics[f"loss_without_head_directions_{number}"] == pytest.approx(expected, abs=1e-4)


def test_the_mean_row_of_the_head_costs_nothing():
    """Softmax does not see it, however large; only where another row is the common direction does anything change."""
    model, task = tiny_model(), tiny_task()
    model.lm_head.weight.data += torch.randn(32, generator=torch.Generator().manual_seed(0))
    before = own_loss(model, task.sample)
    model.lm_head.weight.data -= model.lm_head.weight.data.mean(0)
    assert own_loss(model, task.sample) == pytest.approx(before, abs=1e-5)


def test_a_planted_direction_that_masks_is_found():
    """A large offset that all states share is their first direction: their mean goes, and all along the offset."""
    model, task = tiny_model(), tiny_task()
    offset = torch.randn(32, generator=torch.Generator().manual_seed(0))
    unit = offset / offset.norm()
    ids = torch.from_numpy(task.sample.inputs)
    with torch.no_grad():
        mean = model.gpt_neox(ids).last_hidden_state.mean((0, 1))
    expected = own_loss(model, task.sample, lambda read: (read - mean) - ((read - mean) @ unit)[..., None] * unit)
    model.gpt_neox.final_layer_norm.bias.data += 1000 * offset
    metrics = measure(model, task).metrics
    assert metrics["loss_with_all_directions"] > expected + 100
    assert metrics["loss_without_state_directions_1"] == pytest.approx(expected, abs=2e-3)


def test_without_all_directions_every_token_is_equally_likely():
    model = tiny_model(hidden_size=4, num_attention_heads=1)
    metrics = measure(model, tiny_task()).metrics
    assert metrics["loss_without_state_directions_4"] == pytest.approx(math.log(ROWS), abs=1e-5)
    assert metrics["loss_without_head_directions_4"] == pytest.approx(math.log(ROWS), abs=1e-5)


def test_only_the_first_tokens_are_read():
    model, sample = tiny_model(), tiny_sample(sequences=240)
    metrics = measure(model, tiny_task(sample=sample)).metrics
    assert sample.targets.size > TOKENS
    assert metrics["loss_with_all_directions"] == pytest.approx(own_loss(model, sample), abs=1e-4)
    assert metrics["loss_with_all_directions"] != pytest.approx(metrics["cross_entropy_nats"], abs=1e-4)
    assert np.isfinite([metrics[f"loss_without_state_directions_{number}"] for number in REMOVED]).all()
