"""Noise on weights: its size, that it is the same each time, what it costs, and that nothing is left of it."""

from copy import deepcopy

import pytest
import torch
from torch.nn.functional import cross_entropy

from lm_saturation import model_metrics
from lm_saturation.metrics.measure import measure
from lm_saturation.metrics.weight_noise import noisy_weights
from tests.metrics.models import tiny_model, tiny_sample, tiny_task

COLUMN = "loss_increase_weight_noise"


def weights_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(model, weights):
    return all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", ["gpt_neox", "gpt2", "opt"])  # the latter two tied
def test_weights_are_restored_bit_for_bit(family, dtype):
    model = tiny_model(family).to(dtype)
    weights = weights_of(model)
    places = {name: value.data_ptr() for name, value in model.state_dict().items()}
    model_metrics(model, tiny_sample().inputs, weight_noise=0.3)
    assert same(model, weights)
    assert places == {name: value.data_ptr() for name, value in model.state_dict().items()}
    with noisy_weights(model, 0.3, 0):
        assert not same(model, weights)
    assert same(model, weights)
    with pytest.raises(KeyboardInterrupt), noisy_weights(model, 0.3, 0):
        raise KeyboardInterrupt
    assert same(model, weights)


def test_an_error_while_noise_is_added_leaves_nothing(monkeypatch):
    model = tiny_model()
    weights, original, calls = weights_of(model), torch.randn, []

    def fails(*args, **options):
        calls.append(1)
        if len(calls) == 4:
            raise MemoryError
        return original(*args, **options)

    monkeypatch.setattr(torch, "randn", fails)
    with pytest.raises(MemoryError), noisy_weights(model, 0.3, 0):
        pass
    assert same(model, weights)


def test_noise_has_the_relative_size_on_matrices_and_none_on_vectors():
    model = tiny_model(hidden_size=64, intermediate_size=256)
    weights = weights_of(model)
    with noisy_weights(model, 0.05, 1):
        for name, value in model.state_dict().items():
            if value.ndim > 1:
                relative = float((value - weights[name]).norm() / weights[name].norm())
                assert relative == pytest.approx(0.05, rel=5 / (2 * value.numel()) ** 0.5), name
            else:
                assert torch.equal(value, weights[name]), name


def test_cost_is_that_of_a_model_with_noise():
    """By hand on a copy, measured by transformers' own forward."""
    model, task = tiny_model(), tiny_task(weight_noise=0.2, seed=3)
    found = measure(model, task).metrics
    assert found[COLUMN] == measure(model, task).metrics[COLUMN]
    assert found[COLUMN] != measure(model, tiny_task(weight_noise=0.2, seed=4)).metrics[COLUMN]
    other, random = deepcopy(model), torch.Generator().manual_seed(3)
    for parameter in other.parameters():
        if parameter.ndim > 1:
            noise = torch.randn(parameter.shape, generator=random)
            parameter.data += 0.2 * parameter.data.norm() / parameter.numel() ** 0.5 * noise
    losses = []
    for one in (model, other):
        with torch.no_grad():
            logits = one(torch.from_numpy(task.sample.inputs)).logits.double()
        losses.append(float(cross_entropy(logits.flatten(0, 1), torch.from_numpy(task.sample.targets).flatten())))
    assert found[COLUMN] == pytest.approx(losses[1] - losses[0], abs=1e-4)
    assert found["cross_entropy_nats"] == pytest.approx(losses[0], abs=1e-5)


def test_noise_of_no_size_costs_nothing_and_none_is_the_default():
    model = tiny_model()
    assert measure(model, tiny_task(weight_noise=1e-9)).metrics[COLUMN] == pytest.approx(0, abs=1e-5)
    assert measure(model, tiny_task()).metrics[COLUMN] is None
