"""Heads trained side by side: each as if alone, resumed as if never stopped, to optima that are known."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from lm_saturation.heads import sweep
from lm_saturation.heads.factored_head import token_losses
from lm_saturation.heads.initialisations import CUT_OF, INITIALISATIONS, initial_factors, unfactored
from lm_saturation.heads.sweep import HeadRun, Sweep, SweepState, best_learning_rates
from lm_saturation.heads.truncation import cut
from lm_saturation.training.recipe import BETAS, CLIP, EPSILON, learning_rate
from tests.heads.problems import frozen_problem, problem

UPDATES = 30


def head_runs(ranks=(2, 5), rates=(0.01, 0.05), width=8, size=20):
    rng = np.random.default_rng(0)
    made = []
    for rank in ranks:
        factors = [torch.from_numpy(rng.standard_normal(shape, np.float32)) for shape in ((rank, size), (rank, width))]
        made += [HeadRun("normal", rank, rate, tuple(factor.clone() for factor in factors)) for rate in rates]
    full_rank = torch.from_numpy(rng.standard_normal((width, size), np.float32))
    return [*made, HeadRun("normal", width, rates[0], (full_rank,))]


@pytest.fixture(scope="module")
def batches():
    states, next_tokens, _ = problem(tokens=UPDATES * 40)
    states = states.float()
    return lambda update: (states[update * 40 : (update + 1) * 40], next_tokens[update * 40 : (update + 1) * 40])


def weights(heads):
    return [factor.numpy().tobytes() for run in heads for factor in run.factors]


def test_side_by_side_is_one_at_a_time(batches):
    together, alone = head_runs(), head_runs()
    Sweep(together, UPDATES).train(batches)
    for run in alone:
        Sweep([run], UPDATES).train(batches)
    assert weights(together) == weights(alone)
    assert [run.losses for run in together] == [run.losses for run in alone]


def test_each_head_is_trained_as_in_a_plain_loop(batches):
    ours, plain = head_runs(), head_runs()
    Sweep(ours, UPDATES).train(batches)
    for run, reference in zip(ours, plain, strict=True):
        leaves = [factor.requires_grad_() for factor in reference.factors]
        optimizer = torch.optim.AdamW(leaves, lr=0.0, betas=BETAS, eps=EPSILON, weight_decay=0.1)
        for update in range(UPDATES):
            states, next_tokens = batches(update)
            head = leaves[0].T @ leaves[1] if len(leaves) > 1 else leaves[0].T
            optimizer.zero_grad()
            cross_entropy(states @ head.T, next_tokens).backward()
            torch.nn.utils.clip_grad_norm_(leaves, CLIP)
            optimizer.param_groups[0]["lr"] = learning_rate(update + 1, UPDATES, reference.learning_rate)
            optimizer.step()
        for factor, leaf in zip(run.factors, leaves, strict=True):
            torch.testing.assert_close(factor, leaf.detach(), rtol=2e-3, atol=2e-4)


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("stop", [1, 13, 29])
def test_stopped_and_resumed_gives_the_same_weights(batches, tmp_path, stop):
    def until(update):
        if update == stop:
            raise StoppedError
        return batches(update)

    unstopped, stopped, resumed = head_runs(), head_runs(), head_runs()
    Sweep(unstopped, UPDATES).train(batches)
    state = SweepState(tmp_path / "state.pt", "f", seconds=0)
    with pytest.raises(StoppedError):
        Sweep(stopped, UPDATES).train(until, state)
    seen = []
    Sweep(resumed, UPDATES).train(lambda update: seen.append(update) or batches(update), state)
    assert seen == list(range(stop, UPDATES))
    assert weights(resumed) == weights(unstopped)
    assert [run.losses for run in resumed] == [run.losses for run in unstopped]


def test_the_state_of_another_configuration_is_not_used(batches, tmp_path):
    Sweep(head_runs(), UPDATES).train(batches, SweepState(tmp_path / "state.pt", "f", seconds=0))
    fresh, seen = head_runs(), []
    Sweep(fresh, UPDATES).train(
        lambda update: seen.append(update) or batches(update), SweepState(tmp_path / "state.pt", "g")
    )
    assert seen == list(range(UPDATES))


def test_a_head_that_diverges_stops_alone(batches):
    heads = [*head_runs(), HeadRun("normal", 2, 0.5, (torch.full((2, 20), 1e30), torch.full((2, 8), 1e30)))]
    Sweep(heads, UPDATES).train(batches)
    assert [run.diverged for run in heads] == [False] * 5 + [True]
    alone = head_runs()
    Sweep(alone, UPDATES).train(batches)
    assert weights(heads[:5]) == weights(alone)
    assert heads[5] not in best_learning_rates(heads)
    assert len(heads[5].losses) == 1


def test_the_rate_of_the_lowest_training_loss_is_best():
    heads = [HeadRun("normal", rank, rate, (torch.zeros(1), torch.zeros(1))) for rank in (1, 2) for rate in (0.1, 0.2)]
    for run, last in zip(heads, (3.0, 2.0, 1.0, 4.0), strict=True):
        run.losses = [9.0] * 9 + [last]
    assert [(run.rank, run.learning_rate) for run in best_learning_rates(heads)] == [(1, 0.2), (2, 0.1)]


def lowest_loss(states, next_tokens, size):
    """The loss of the best head of full rank, by L-BFGS in float64."""
    head = torch.zeros(size, states.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([head], max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = cross_entropy(states @ head.T, next_tokens)
        loss.backward()
        return loss

    optimizer.step(closure)
    return closure().item()


@pytest.mark.parametrize("rank", [8, 12])
def test_from_the_width_on_heads_reach_the_optimum_of_the_unconstrained_one(rank):
    states, next_tokens, _ = problem(tokens=2000)
    heads = head_runs(ranks=(rank,), rates=(0.05,))
    Sweep(heads, 1500, weight_decay=0.0).train(lambda _: (states.float(), next_tokens))
    truth = lowest_loss(states, next_tokens, 20)
    for run in heads:
        assert token_losses(states, next_tokens, run.factors).nats.mean().item() == pytest.approx(truth, abs=2e-3)


def test_the_curve_is_flat_from_the_true_rank_on():
    """Tokens drawn from a head of rank 3: more rank buys nothing, less costs."""
    true = 3
    states, next_tokens, head = problem(tokens=40_000, rank=true, scale=1.5)
    trained, held = slice(0, 32_000), slice(32_000, None)
    rng = np.random.default_rng(1)
    heads = []
    for rank in (1, 2, 3, 4, 6, 8):
        factors = [torch.from_numpy(0.3 * rng.standard_normal(shape, np.float32)) for shape in ((rank, 20), (rank, 8))]
        heads.append(HeadRun("scaled", rank, 0.05, tuple(factors)))
    Sweep(heads, 400, weight_decay=0.0).train(lambda _: (states[trained].float(), next_tokens[trained]))
    losses = [token_losses(states[held], next_tokens[held], run.factors).nats.mean().item() for run in heads]
    bayes = token_losses(states[held], next_tokens[held], (head.T,)).nats.mean().item()
    assert losses[0] > losses[1] + 0.05 > losses[2] + 0.1
    assert losses[2:] == pytest.approx([bayes] * 4, abs=0.01)


@pytest.fixture(scope="module")
def pretrained():
    frozen = frozen_problem()
    return frozen.head, cut("truncated", frozen.head, torch.eye(8, dtype=torch.float64))


@pytest.mark.parametrize("initialisation", INITIALISATIONS)
def test_initialisations_have_their_variances(initialisation):
    head = torch.randn(3000, 64, generator=torch.Generator().manual_seed(0))
    states = torch.randn(500, 64, generator=torch.Generator().manual_seed(1)) * torch.linspace(0.1, 3, 64)
    truncation = cut(CUT_OF.get(initialisation, "truncated"), head, (states.T @ states / 500).double())
    left, right = initial_factors(initialisation, 16, head, truncation, 0)
    if initialisation == "normal":
        assert (left.std().item(), right.std().item()) == pytest.approx((1, 1), abs=0.05)
    elif initialisation == "scaled":
        assert (left.T @ right).var().item() == pytest.approx(2 / (5 * 64), rel=0.15)
        assert right.var().item() == pytest.approx(1 / 64, rel=0.15)
    else:
        cut_to = truncation.factors(head, 16)
        torch.testing.assert_close(left.T @ right, cut_to[0].T @ cut_to[1], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(left.norm(dim=1), right.norm(dim=1), rtol=1e-4, atol=1e-5)


def test_an_initialisation_does_not_depend_on_what_is_trained_beside_it(pretrained):
    first, again = (initial_factors("normal", 4, *pretrained, 0) for _ in range(2))
    of_another_seed = initial_factors("normal", 4, *pretrained, 1)
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], of_another_seed[0])
    (matrix,) = unfactored(first)
    torch.testing.assert_close(matrix.T, first[0].T @ first[1])


def test_the_save_interval_is_kept(batches, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(sweep, "write_state", lambda *_: written.append(1))
    Sweep(head_runs(), UPDATES).train(batches, SweepState(tmp_path / "state.pt", "f", seconds=3600))
    assert not written
