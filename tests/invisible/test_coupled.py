"""Coupled Adam against its formula, written out in float64; and where it must be Adam."""

import numpy as np
import torch

from lm_saturation.config.causes import OffsetTrainingOptions
from lm_saturation.invisible.coupled_moments import couple_rows
from lm_saturation.invisible.training import train_with
from lm_saturation.training.recipe import learning_rate
from tests.invisible.test_training import model, sampler

BETAS, EPSILON, DECAY = (0.9, 0.95), 1e-8, 0.1
RATES = [0.01, 0.03, 0.02, 0.004]


def written_out(start, gradients):
    """(V, d) after the updates, by the paper's formula with decoupled weight decay."""
    weight = start.copy()
    first, second = np.zeros_like(start), np.zeros_like(start)
    for step, (rate, gradient) in enumerate(zip(RATES, gradients, strict=True), 1):
        first = BETAS[0] * first + (1 - BETAS[0]) * gradient
        second = BETAS[1] * second + (1 - BETAS[1]) * gradient**2
        corrected = second / (1 - BETAS[1] ** step)
        for token in range(len(weight)):
            average = sum(corrected) / len(weight)
            direction = first[token] / (1 - BETAS[0] ** step) / (np.sqrt(average) + EPSILON)
            weight[token] = weight[token] - rate * DECAY * weight[token] - rate * direction
    return weight


def trained(start, gradients, coupled=True, dtype=torch.float64):
    """The same by torch, and a vector that is trained beside it."""
    matrix, vector = (torch.tensor(values, dtype=dtype, requires_grad=True) for values in (start, start[0]))
    groups = [{"params": [matrix], "weight_decay": DECAY}, {"params": [vector], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=0.0, betas=BETAS, eps=EPSILON, fused=True)
    if coupled:
        couple_rows(optimizer, matrix)
    for rate, gradient in zip(RATES, gradients, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate
        matrix.grad, vector.grad = (torch.tensor(values, dtype=dtype) for values in (gradient, gradient[0]))
        optimizer.step()
    return matrix.detach().numpy(), vector.detach().numpy()


def problem(size=7, width=3):
    """Weights, and gradients of rows that differ by orders of magnitude, as those of tokens do."""
    random = np.random.default_rng(0)
    scales = np.geomspace(1, 1e-4, size)[:, None]
    return random.standard_normal((size, width)), random.standard_normal((len(RATES), size, width)) * scales


def test_steps_are_those_of_the_formula():
    start, gradients = problem()
    coupled, beside = trained(start, gradients)
    plain, alone = trained(start, gradients, coupled=False)
    np.testing.assert_allclose(coupled, written_out(start, gradients), rtol=1e-12)
    assert np.abs(coupled - plain).max() > 1e-3
    np.testing.assert_array_equal(beside, alone)


def test_rows_with_equal_second_moments_learn_as_by_adam():
    start, gradients = problem()
    signs = np.sign(gradients)
    equal = signs * np.abs(gradients[:, :1])  # of each update and column, the same square in all rows
    np.testing.assert_allclose(trained(start, equal)[0], trained(start, equal, coupled=False)[0], rtol=1e-12)


def test_the_mean_row_of_a_coupled_head_only_decays():
    """Its gradient has no mean row, so nothing but weight decay moves it; Adam gives it one."""
    options, heads = OffsetTrainingOptions(steps=20), {}
    start = model().lm_head.weight.detach().mean(0)
    for kind in ("plain", "coupled"):
        built = model()
        train_with(built, sampler(), 0.01, "float32", kind, options)
        heads[kind] = built.lm_head.weight.detach()
    decayed = start * np.prod([1 - learning_rate(step + 1, 20, 0.01) * DECAY for step in range(20)])
    torch.testing.assert_close(heads["coupled"].mean(0), decayed, rtol=0, atol=1e-5)
    assert float((heads["plain"].mean(0) - decayed).norm()) > 1e-3
    assert float((heads["coupled"] - heads["plain"]).norm()) > 1e-2


def test_an_update_that_is_left_out_leaves_the_matrix():
    """A matrix without a gradient is not updated."""
    weight = torch.ones(3, 2, requires_grad=True)
    optimizer = torch.optim.AdamW([weight], lr=0.1)
    couple_rows(optimizer, weight)
    optimizer.step()
    assert torch.equal(weight, torch.ones(3, 2))
