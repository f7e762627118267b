"""Remedies: exact maps with known traces, the loss they start with, and models that are built and trained with them."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm
from torch import nn
from torch.nn.functional import cross_entropy

from lm_saturation.config.tied import InitialOptions, TiedTrainingOptions
from lm_saturation.errors import InputError
from lm_saturation.metrics.measure import measure
from lm_saturation.tied.bigram import MAP, embeddings, first_embeddings, generator_of, normed, sample_losses
from lm_saturation.tied.formulas import expected_loss
from lm_saturation.tied.initial_loss import remedy_rows
from lm_saturation.tied.maps import ChannelShuffle, HalfSwap, Projection
from lm_saturation.tied.remedied_model import build_with_remedy
from lm_saturation.tied.remedies import GELU_MEAN_SQUARE, REMEDIES
from lm_saturation.training.loop import batch_loss, make_optimizer, update
from lm_saturation.training.recipe import Precision
from tests.metrics.models import tiny_task

MODEL = {"width": 64, "layers": 2, "attention_heads": 2, "learning_rate": 0.01}
SIZE, LENGTH, SIGMA = 1000, 16, 0.17


def build(name, size=SIZE, residual_scale=0.0, **changes):
    self_logit = SIGMA * {**MODEL, **changes}["width"] / math.log(size)
    options = TiedTrainingOptions(model={**MODEL, **changes}, self_logit=self_logit, sequence_length=LENGTH)
    return build_with_remedy(REMEDIES[name], options, residual_scale, 0, size)


def matrix(module, width):
    """M of the map x → Mx."""
    with torch.no_grad():
        return module(torch.eye(width)).T


@pytest.mark.parametrize(("module", "trace"), [(HalfSwap(), 0), (ChannelShuffle(), 2)])
@pytest.mark.parametrize("width", [4, 6, 64, 768, 1024])
def test_swap_and_shuffle_are_permutations_with_known_traces(module, trace, width):
    found = matrix(module, width)
    assert set(found.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(found @ found.T, torch.eye(width))
    assert found.trace() == trace


def test_swap_is_its_own_inverse_and_that_of_su_2023():
    states = torch.randn(3, 5, 8)
    swapped = HalfSwap()(states)
    assert torch.equal(swapped, torch.cat([states[..., 4:], states[..., :4]], -1))
    assert torch.equal(HalfSwap()(swapped), states)


def test_shuffle_is_reshape_transpose_reshape():
    states = np.random.default_rng(0).standard_normal((3, 5, 12)).astype(np.float32)
    expected = states.reshape(3, 5, 2, 6).swapaxes(-1, -2).reshape(3, 5, 12)
    np.testing.assert_array_equal(ChannelShuffle()(torch.from_numpy(states)).numpy(), expected)


@pytest.mark.parametrize("module", [HalfSwap(), ChannelShuffle()])
def test_odd_widths_have_no_halves(module):
    with pytest.raises(InputError, match="width 7 is odd; a map of two halves needs an even width"):
        module(torch.zeros(2, 7))


def test_projections_are_orthogonal_and_keep_no_trace():
    made = [Projection(16, generator_of(seed, MAP)) for seed in range(200)]
    for one in made[:5]:
        weight = one.linear.weight.detach()
        torch.testing.assert_close(weight @ weight.T, torch.eye(16), rtol=0, atol=1e-5)
    traces = np.array([one.linear.weight.detach().trace().item() for one in made])
    assert abs(traces.mean()) < 4 / math.sqrt(len(traces))
    assert traces.var() == pytest.approx(1, abs=4 * math.sqrt(2 / len(traces)))


def test_projection_with_bias_and_activation():
    one = Projection(8, generator_of(0, MAP), bias=True, activation=True)
    states = torch.randn(3, 8)
    assert torch.equal(one.linear.bias, torch.zeros(8))
    torch.testing.assert_close(one(states), nn.functional.gelu(states @ one.linear.weight.T))
    assert Projection(8, generator_of(0, MAP)).linear.bias is None


def test_what_gelu_leaves_of_a_mean_square():
    found = quad(lambda z: (z * norm.cdf(z)) ** 2 * norm.pdf(z), -12, 12)[0]
    assert pytest.approx(found, rel=1e-9) == GELU_MEAN_SQUARE


def test_maps_know_nothing_of_the_embeddings():
    """Of the same random numbers, Q would be the embeddings' own directions, and Qx one-hot for the first of them."""
    states = normed(first_embeddings(500, 64, 0, 64))
    with torch.no_grad():
        mapped = Projection(64, generator_of(0, MAP))(states)
        drawn = build("projection")
        embedded = normed(drawn.gpt_neox.embed_in.weight[:64])
        of_model = drawn.gpt_neox.final_layer_norm[1](embedded)
    for found in (mapped, of_model):
        assert float((found**4).mean()) == pytest.approx(3, abs=0.4)


def start(name, size, width, sigma, rows=64, seed=0):
    options = InitialOptions(sigmas=[sigma], rows=rows, seed=seed)
    return next(remedy_rows(REMEDIES[name], size, width, options))


@pytest.mark.parametrize("name", REMEDIES)
def test_every_remedy_starts_within_a_percent_of_theory(name):
    """Where dσ is 10.2 and log n 8.5: plain tying starts 1.9 nats above log n."""
    size, width, sigma = 5000, 1024, 0.01
    found = start(name, size, width, sigma)
    assert found["loss_nats"] == pytest.approx(found["expected_nats"], rel=0.01)
    above = found["loss_nats"] / math.log(size) - 1
    if name == "plain":
        assert above > 0.2
    elif name == "scaled":  # log(2n − 1), not log n
        assert found["loss_nats"] == pytest.approx(math.log(2 * size - 1), rel=0.01)
        assert above > 0.07
    else:
        assert 0 < above < 0.01


@pytest.mark.parametrize(
    ("name", "mean", "variance"), [("swap", 0.0, 2.0), ("shuffle", 2.0, 1.0), ("untied", 0.0, 1.0)]
)
def test_self_logits_vanish_in_expectation(name, mean, variance):
    """Over σ: mean tr M; variance of x·Mᵀw, 2d where M is symmetric, about d else."""
    remedy, width, rows = REMEDIES[name], 64, 4000
    first = first_embeddings(rows, width, 1, rows)
    states = remedy.make(width, generator_of(1, MAP))(normed(first)) if remedy.make else normed(first)
    own = first if remedy.tied else first_embeddings(rows, width, 1, rows, 1)
    logits = sample_losses(states, own, iter([own[:10]]), [1.0]).self_logits[0]
    assert logits.mean() == pytest.approx(mean, abs=4 * math.sqrt(variance * width / rows))
    assert logits.var() == pytest.approx(variance * width, rel=0.15)


# models


@pytest.mark.parametrize("name", REMEDIES)
def test_models_start_as_theory_says(name):
    """The real first forward pass of GPT-NeoX with branches that start at zero, beside the bigram model."""
    model = build(name)
    ids = torch.randint(SIZE, (64, LENGTH + 1), generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        logits = model(input_ids=ids[:, :-1]).logits
        loss = cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()).item()
        ours = batch_loss(model, ids, Precision()).item()
        spread = float(model.gpt_neox.embed_in.weight.std())
        alone = start(name, SIZE, 64, SIGMA, rows=1000)
    assert ours == pytest.approx(loss, rel=1e-5)  # the training sees the map that the model's own forward has
    assert loss == pytest.approx(alone["loss_nats"], rel=0.02)
    assert spread == pytest.approx(REMEDIES[name].sigma(SIGMA, SIZE, 64), rel=0.02)


def test_branches_that_do_not_start_at_zero_hide_the_embedding():
    """Pythia's own initialisation: the self-logit is a small part of dσ, so plain tying starts low."""
    ids = torch.randint(SIZE, (16, LENGTH + 1), generator=torch.Generator().manual_seed(5))

    def loss(scale):
        model = build("plain", residual_scale=scale)
        with torch.no_grad():
            return batch_loss(model, ids, Precision()).item()

    assert loss(0.0) > expected_loss(SIZE, 0.0, 64 * SIGMA**2) + 1 > loss(1.0)


def test_models_of_a_seed_share_their_draws():
    models = {name: build(name) for name in REMEDIES}
    plain = dict(models["plain"].named_parameters())
    for name, model in models.items():
        for key, weight in model.named_parameters():
            same = plain.get(key.replace("final_layer_norm.0", "final_layer_norm"))
            if same is not None and not (name == "scaled" and "embed_in" in key):
                torch.testing.assert_close(weight, same)
    ratio = models["scaled"].gpt_neox.embed_in.weight / models["plain"].gpt_neox.embed_in.weight
    torch.testing.assert_close(ratio, torch.full_like(ratio, math.log(SIZE) / 64 / SIGMA))


@pytest.mark.parametrize("name", REMEDIES)
def test_tied_weights_are_one_tensor_after_training(name):
    model = build(name)
    embedding, head = model.gpt_neox.embed_in.weight, model.lm_head.weight
    assert (embedding is head) == REMEDIES[name].tied
    optimizer = make_optimizer(model)
    assert sum(weights.numel() for group in optimizer.param_groups for weights in group["params"]) == sum(
        weights.numel() for weights in model.parameters()
    )
    ids = torch.randint(SIZE, (4, LENGTH + 1), generator=torch.Generator().manual_seed(0))
    before, losses = head.detach().clone(), []
    for _ in range(4):
        loss = batch_loss(model, ids, Precision())
        losses.append(float(loss.detach()))
        update(model, optimizer, loss, 1e-3)
    assert losses[-1] < losses[0]
    assert not torch.equal(model.lm_head.weight, before)
    assert (model.gpt_neox.embed_in.weight is model.lm_head.weight) == REMEDIES[name].tied
    if REMEDIES[name].tied:
        model.load_state_dict({key: weight.clone() for key, weight in model.state_dict().items()})
        assert model.gpt_neox.embed_in.weight is model.lm_head.weight


def test_the_gradient_of_a_shared_matrix_is_that_of_both_uses():
    tied = build("plain")
    untied = build("untied")
    with torch.no_grad():
        untied.lm_head.weight.copy_(untied.gpt_neox.embed_in.weight)
    ids = torch.randint(SIZE, (4, LENGTH + 1), generator=torch.Generator().manual_seed(0))
    for model in (tied, untied):
        batch_loss(model, ids, Precision()).backward()
    both = untied.lm_head.weight.grad + untied.gpt_neox.embed_in.weight.grad
    torch.testing.assert_close(tied.lm_head.weight.grad, both)


@pytest.mark.parametrize("name", ["plain", "untied", "projection_activation", "swap", "shuffle"])
def test_the_metrics_of_checkpoints_take_these_models(name):
    """`measure` checks that the states it finds give the model's own logits."""
    model = build(name, 97).eval()
    found = measure(model, tiny_task()).metrics
    assert found["tied"] == int(REMEDIES[name].tied)


def test_embeddings_are_drawn_once_and_for_all():
    blocks = list(embeddings(5000, 8, 3))
    assert [len(block) for block in blocks] == [4096, 904]
    again = torch.cat(list(embeddings(5000, 8, 3)))
    assert torch.equal(torch.cat(blocks), again)
    assert torch.equal(first_embeddings(5000, 8, 3, 4500), again[:4500])
    assert torch.equal(first_embeddings(100, 8, 3, 4500), again[:100])
    assert not torch.equal(first_embeddings(100, 8, 3, 5, 1), again[:5])
