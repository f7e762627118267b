"""What softmax does not see of a head and its states: exact in float64; and what it does see."""

import pytest
import torch

from lm_saturation.errors import InputError
from lm_saturation.invisible.readout import (
    Readout,
    canonical,
    centred,
    constant_direction,
    cut,
    least_read_direction,
    mean_direction,
    moved,
    quietest_direction,
    shifted,
    stretched,
)
from lm_saturation.metrics.anisotropy import anisotropy

WIDTH, TOKENS, NUMBER = 6, 50, 40


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def readout():
    return Readout(normal(TOKENS, WIDTH, seed=1), normal(TOKENS, seed=2), normal(NUMBER, WIDTH, seed=3) + 0.7)


def laws(readout):
    return torch.log_softmax(readout.states @ readout.head.T + readout.bias, dim=1)


def difference(one, other):
    return float((laws(one) - laws(other)).abs().max())


def test_what_softmax_does_not_see(readout):
    direction = constant_direction(readout.states)
    changed = [
        shifted(readout, 30 * normal(WIDTH)),
        stretched(readout, direction, 50.0),
        stretched(readout, normal(WIDTH) / normal(WIDTH).norm(), 0.1),
        shifted(stretched(readout, direction, 20.0), 5 * mean_direction(readout.states)),
        centred(readout),
        canonical(readout),
        centred(shifted(stretched(readout, direction, 20.0), 5 * quietest_direction(readout.states))),
    ]
    assert [difference(readout, other) < 1e-12 for other in changed] == [True] * len(changed)
    assert all(float((other.head - readout.head).abs().max()) > 0.1 for other in changed)


def test_states_moved_together_are_seen_unless_the_centred_head_does_not_read_them(readout):
    unread = least_read_direction(readout)
    assert difference(readout, moved(readout, 3 * unread)) > 0.1
    blind = cut(readout, unread)
    assert difference(blind, moved(blind, 1000 * unread)) < 1e-9
    assert difference(readout, blind) > 0.1
    few = Readout(readout.head[:4], readout.bias[:4], readout.states)  # four tokens: W̃ has rank 3 of 6
    assert difference(few, moved(few, 10 * least_read_direction(few))) < 1e-12


def test_the_least_read_direction_is_the_last_singular_vector(readout):
    unread = least_read_direction(readout)
    last = torch.linalg.svd(readout.head - readout.head.mean(0)).Vh[-1]
    assert float((unread @ last).abs()) == pytest.approx(1)
    assert float(readout.states.mean(0) @ unread) >= 0


def test_centring_undoes_a_shift_of_the_head_and_no_stretch(readout):
    shift = centred(shifted(readout, 9 * normal(WIDTH)))
    torch.testing.assert_close(shift.head, centred(readout).head, rtol=0, atol=1e-12)
    longer = centred(stretched(readout, constant_direction(readout.states), 9.0))
    assert float((longer.head - centred(readout).head).abs().max()) > 0.01


def test_the_canonical_form_is_that_of_all_that_are_alike_to_softmax(readout):
    """Any A and u; its singular values are those of the centred logits, over √n."""
    mixing = normal(WIDTH, WIDTH, seed=7)
    other = Readout(
        readout.head @ torch.linalg.inv(mixing) + normal(WIDTH, seed=8), readout.bias, readout.states @ mixing.T
    )
    assert difference(readout, other) < 1e-11
    one, two = canonical(readout), canonical(other)
    values = torch.linalg.svdvals(one.head)
    torch.testing.assert_close(values, torch.linalg.svdvals(two.head))
    logits = (readout.head - readout.head.mean(0)) @ readout.states.T
    torch.testing.assert_close(values, torch.linalg.svdvals(logits)[:WIDTH] / NUMBER**0.5)
    assert anisotropy(one.states).raw == pytest.approx(anisotropy(two.states).raw, abs=1e-10)
    torch.testing.assert_close(one.states.T @ one.states / NUMBER, torch.eye(WIDTH, dtype=torch.float64))


def test_states_after_a_layer_norm_have_a_constant_direction(readout):
    """Σ h_i/γ_i = Σ β_i/γ_i: to stretch along it is to move all states by one vector."""
    gain, bias = 1 + 0.3 * normal(WIDTH), 0.2 * normal(WIDTH, seed=5)
    states = torch.nn.functional.layer_norm(normal(NUMBER, WIDTH, seed=6), [WIDTH], gain, bias)
    direction = constant_direction(states)
    expected = (1 / gain) / (1 / gain).norm()
    assert float((direction @ expected).abs()) == pytest.approx(1)
    assert float((states @ direction).std() / (states @ direction).mean()) < 1e-8
    normed = Readout(readout.head, readout.bias, states)
    change = stretched(normed, direction, 7.0).states - states
    torch.testing.assert_close(change, change[:1].expand_as(change), rtol=0, atol=1e-10)


def test_the_constant_direction_fits_the_constant_best(readout):
    fitted = torch.linalg.lstsq(readout.states, torch.ones(NUMBER, 1, dtype=torch.float64)).solution[:, 0]
    torch.testing.assert_close(constant_direction(readout.states), fitted / fitted.norm())
    with pytest.raises(InputError, match="mean zero"):
        constant_direction(torch.zeros(3, 2, dtype=torch.float64))
