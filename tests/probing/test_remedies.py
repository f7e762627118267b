"""What the remedies do: to logits, to gradients, and in published trainings."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from lm_saturation.errors import InputError
from lm_saturation.probing.remedies import centre_head, effects, float32_logits, mu_loss, z_loss
from tests.conftest import RESOURCES
from tests.metrics.models import tiny_model
from tests.probing.small import small_gpt2, small_model

IDS = torch.from_numpy(np.random.default_rng(0).integers(0, 97, (2, 12)))


@pytest.mark.parametrize("family", ["gpt_neox", "gptj"])  # the latter's head has a bias
def test_a_centred_head_predicts_the_same_without_an_offset(family):
    model = tiny_model(family)
    head = model.get_output_embeddings()
    head.weight.data += 0.5
    with torch.no_grad():
        before = model(IDS).logits
        centre_head(model)
        after = model(IDS).logits
    assert before.mean().abs() > 1e-3
    torch.testing.assert_close(after.mean(-1), torch.zeros(2, 12), atol=1e-5, rtol=0)
    torch.testing.assert_close(after.log_softmax(-1), before.log_softmax(-1), atol=1e-5, rtol=1e-5)


def test_a_head_that_cannot_be_centred():
    with pytest.raises(InputError, match="the LM head is the embedding"):
        centre_head(small_gpt2())
    with pytest.raises(InputError, match="a soft cap follows"):
        centre_head(tiny_model("gemma2", tie_word_embeddings=False))


def test_mu_loss_pulls_the_mean_row_to_zero():
    model = small_model()
    model.lm_head.weight.data += 0.3
    loss = mu_loss(model, 0.1)
    mean = model.lm_head.weight.detach().numpy().mean(0)
    assert loss.item() == pytest.approx(0.1 * (mean**2).sum(), rel=1e-5)
    loss.backward()
    gradient = model.lm_head.weight.grad.numpy()
    np.testing.assert_allclose(gradient, np.broadcast_to(0.2 * mean / 300, gradient.shape), rtol=1e-4)


def test_z_loss():
    logits = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    expected = 0.5 * (math.log(2) ** 2 + (1 + math.log(2)) ** 2) / 2
    assert float(z_loss(logits, 0.5)) == pytest.approx(expected)


@pytest.mark.parametrize("autocast", [True, False])
def test_logits_in_float32(autocast):
    model = small_model() if autocast else small_model().bfloat16()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        states = model.gpt_neox(IDS).last_hidden_state
        with float32_logits(model):
            logits = model(IDS).logits
        assert model(IDS).logits.dtype == torch.bfloat16
    assert logits.dtype == torch.float32
    exact = states.double() @ model.lm_head.weight.double().T
    torch.testing.assert_close(logits.double(), exact, rtol=1e-5, atol=1e-6)
    assert len(logits.unique()) > len(logits.bfloat16().unique())


def test_a_remedy_in_training_keeps_the_offset_small():
    offsets = {}
    for weight in (0.0, 10.0):
        model = small_model()
        model.lm_head.weight.data += 0.5
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
        for _ in range(40):
            (model(IDS, labels=IDS).loss + mu_loss(model, weight)).backward()
            optimizer.step()
            optimizer.zero_grad()
        offsets[weight] = model(IDS).logits.mean(-1).abs().mean().item()
    assert offsets[10.0] < 0.5 * offsets[0.0]


def test_effects_are_those_of_the_table():
    table = pd.read_csv(RESOURCES / "output_embeddings.csv")
    large = table[table.peak_learning_rate >= 0.1].set_index(["size_millions", "peak_learning_rate"])
    saved = large[large.method == "baseline"].test_loss_nats - large[large.method == "muloss"].test_loss_nats
    found = effects().set_index("remedy")
    assert list(found.index) == ["μ-loss", "μ-centring", "z-loss"]
    assert found.loc["μ-loss", "saved"] == pytest.approx(saved.mean())
    assert found.pairs.tolist() == [len(saved)] * 3 == [10] * 3
    assert (found.saved_low < found.saved).all()
    assert (found.saved < found.saved_high).all()
    assert found.saved_low["μ-loss"] > 0
