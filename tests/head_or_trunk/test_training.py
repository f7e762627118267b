"""Heads W = AB in training: they are the linear heads of that rank, and their losses those of the product."""

import numpy as np
import pytest
import torch

from lm_saturation.config.suites import TrainedModel
from lm_saturation.head_or_trunk.kinds import LOW_RANK, NARROW, WIDE
from lm_saturation.head_or_trunk.training import Cell, best_factor, build_cell, cell_loss, cells_of, train_cell
from lm_saturation.training.batch_sampler import BatchSampler
from lm_saturation.training.gpt_neox import build_model

VOCABULARY, LENGTH = 50, 12
WIDE_MODEL = TrainedModel(width=16, layers=1, attention_heads=1, learning_rate=0.01, seed=0)
NARROW_MODEL = TrainedModel(width=8, layers=1, attention_heads=1, learning_rate=0.02, seed=0)


def sampler():
    return BatchSampler(np.random.default_rng(0).integers(0, VOCABULARY, 3000), LENGTH, 8, 0)


def batch():
    return torch.from_numpy(sampler().batch(0))


def built(kind, rank, seed=3):
    model = NARROW_MODEL if kind == NARROW else WIDE_MODEL
    return build_cell(Cell(kind, rank, model), VOCABULARY, LENGTH, seed)


def test_at_full_rank_it_expresses_the_full_head():
    """With A = W and B = 1 the loss, and the gradient of everything below the head, are those of the full head."""
    full, factored = built(WIDE, 16), built(LOW_RANK, 16)
    with torch.no_grad():
        factored.lm_head.outer.copy_(full.lm_head.weight)
        factored.lm_head.inner.copy_(torch.eye(16))
    losses = [cell_loss(model, batch()) for model in (full, factored)]
    assert float(losses[0].detach()) == pytest.approx(float(losses[1].detach()), rel=1e-6)
    for loss in losses:
        loss.backward()
    for one, other in zip(full.gpt_neox.parameters(), factored.gpt_neox.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("rank", [3, 8, 16])
def test_its_loss_is_that_of_the_product(rank):
    model = built(LOW_RANK, rank)
    weight = (model.lm_head.outer @ model.lm_head.inner).detach()
    assert torch.linalg.matrix_rank(weight) == rank
    with torch.no_grad():
        states = model.gpt_neox(batch()[:, :-1]).last_hidden_state
        expected = torch.nn.functional.cross_entropy((states @ weight.T).flatten(0, 1), batch()[:, 1:].flatten())
    loss = cell_loss(model, batch())
    assert float(loss.detach()) == pytest.approx(float(expected), rel=1e-5)
    loss.backward()
    assert all(factor.grad.abs().sum() > 0 for factor in (model.lm_head.outer, model.lm_head.inner))


def test_full_and_narrow_models_are_those_of_the_suite():
    for kind, rank, model in ((WIDE, 16, WIDE_MODEL), (NARROW, 8, NARROW_MODEL)):
        own = build_model(model.model_copy(update={"seed": 3}), VOCABULARY, LENGTH)
        for one, other in zip(own.parameters(), built(kind, rank).parameters(), strict=True):
            assert torch.equal(one, other)
        logits = own(batch()[:, :-1]).logits.flatten(0, 1)
        expected = torch.nn.functional.cross_entropy(logits, batch()[:, 1:].flatten())
        assert float(cell_loss(own, batch()).detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_trunks_begin_alike_and_heads_have_a_stream_of_their_own():
    full, low = built(WIDE, 16), built(LOW_RANK, 8)
    for one, other in zip(full.gpt_neox.parameters(), low.gpt_neox.parameters(), strict=True):
        assert torch.equal(one, other)
    embedding = low.gpt_neox.embed_in.weight.detach()[:, :8].flatten()
    outer = low.lm_head.outer.detach().flatten()
    assert abs(float(torch.corrcoef(torch.stack([embedding, outer]))[0, 1])) < 0.2


@pytest.mark.parametrize("rank", [8, 16, 32])
def test_logits_begin_with_the_variance_of_a_full_head(rank):
    """2/5 at any width, of states of variance 1: d times 2/(5d)."""
    model = TrainedModel(width=64, layers=1, attention_heads=1, learning_rate=0.01, seed=0)
    head = build_cell(Cell(LOW_RANK, rank, model), 4000, LENGTH, 0).lm_head
    states = torch.randn(2000, 64, generator=torch.Generator().manual_seed(1))
    logits = (states @ head.inner.T @ head.outer.T).detach()
    assert float(logits.var()) == pytest.approx(0.4, rel=0.2)


def test_the_factors_learn():
    model = built(LOW_RANK, 8)
    before = float(cell_loss(model, batch()).detach())
    train_cell(model, sampler(), 0.02, 40)
    assert float(cell_loss(model, batch()).detach()) < before - 0.05


def test_cells_are_the_wide_model_and_two_a_rank_below_its_width():
    cells = cells_of(WIDE_MODEL, [WIDE_MODEL, NARROW_MODEL], [8, 16])
    assert [(cell.kind, cell.rank, cell.model.width) for cell in cells] == [
        (WIDE, 16, 16),
        (LOW_RANK, 8, 16),
        (NARROW, 8, 8),
        (LOW_RANK, 16, 16),
    ]


def test_each_cell_gets_its_own_best_rate():
    rows = [
        {"cell": LOW_RANK, "rank": rank, "rate_factor": factor, "loss_nats": loss}
        for rank, losses in ((8, (3.0, 2.0, 2.5)), (16, (1.0, 1.5, 2.0)))
        for factor, loss in zip((0.5, 1.0, 2.0), losses, strict=True)
    ]
    assert [best_factor(rows, Cell(LOW_RANK, rank, WIDE_MODEL)) for rank in (8, 16)] == [1.0, 0.5]
