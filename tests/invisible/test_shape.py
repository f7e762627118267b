"""How far a head and states must be changed: against closed forms and brute force."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.linalg import hadamard

from lm_saturation.invisible.readout import Readout, constant_direction, moved, shifted, stretched
from lm_saturation.invisible.shape import (
    HeadShape,
    Targets,
    head_shapes,
    least_head_shift,
    least_move,
    least_stretch,
    read_targets,
)
from tests.conftest import RESOURCES

ROWS, WIDTH = 64, 4
NOTHING = Targets(entropy_share=0.0, sigma_ratio=1.0, anisotropy=-1.0)


@pytest.fixture
def orthogonal():
    """(64, 4) orthogonal columns of norm 8 and mean 0."""
    return torch.from_numpy(hadamard(ROWS)[:, 1 : 1 + WIDTH].astype(float))


def random_readout():
    generator = torch.Generator().manual_seed(0)
    head, states = (torch.randn(30, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    return Readout(head, torch.zeros(30, dtype=torch.float64), states + 0.5)


def brute_force(head):
    """Singular entropy and σ2/σ1 by an SVD."""
    values = np.linalg.svd(head.numpy(), compute_uv=False)
    share = values**2 / (values**2).sum()
    return np.log(len(share)) + (share * np.log(share)).sum(), values[1] / values[0]


def mean_cosine(states):
    """Over all pairs."""
    units = states.numpy() / np.linalg.norm(states.numpy(), axis=1, keepdims=True)
    cosines = units @ units.T
    return (cosines.sum() - np.trace(cosines)) / (len(units) * (len(units) - 1))


@pytest.mark.parametrize("scale", [0.0, 0.5, 3.0])
def test_entropy_of_an_orthogonal_head_that_is_shifted_has_a_closed_form(orthogonal, scale):
    """Squares 64 + 64 α², 64, 64, 64."""
    direction = torch.eye(WIDTH, dtype=torch.float64)[2]
    squares = np.array([1 + scale**2, 1, 1, 1])
    share = squares / squares.sum()
    head = orthogonal + scale * direction
    plain, without = head_shapes(head)
    assert plain.entropy == pytest.approx(np.log(4) + (share * np.log(share)).sum(), abs=1e-12)
    assert plain.sigma_ratio == pytest.approx(1 / np.sqrt(1 + scale**2))
    assert (without.entropy, without.sigma_ratio) == (pytest.approx(0, abs=1e-12), pytest.approx(1))
    assert (plain.entropy, plain.sigma_ratio) == pytest.approx(brute_force(head), abs=1e-12)


def test_the_least_shift_of_an_orthogonal_head(orthogonal):
    """σ2/σ1 = 1/√(1 + α²)."""
    direction = torch.eye(WIDTH, dtype=torch.float64)[0]
    targets = Targets(entropy_share=0.1, sigma_ratio=0.05, anisotropy=0.9)
    assert least_head_shift(orthogonal, direction, targets) == pytest.approx(np.sqrt(1 / 0.05**2 - 1), rel=1e-6)
    assert least_head_shift(orthogonal, direction, NOTHING) == 0


def test_the_least_shift_of_any_head_reaches_both_and_no_less_does():
    readout = random_readout()
    targets = Targets(entropy_share=0.88, sigma_ratio=0.2, anisotropy=0.9)
    direction = constant_direction(readout.states)
    scale = least_head_shift(readout.head, direction, targets)
    entropy, ratio = brute_force(shifted(readout, scale * direction).head)
    assert entropy >= 0.88 * np.log(5) - 1e-9
    assert ratio <= 0.2 + 1e-9
    entropy, ratio = brute_force(shifted(readout, 0.99 * scale * direction).head)
    assert not HeadShape(entropy, ratio).reaches(targets, 5)


def test_states_reach_a_mean_cosine():
    readout = random_readout()
    direction = constant_direction(readout.states)
    factor = least_stretch(readout, direction, 0.5)
    assert factor > 1
    assert mean_cosine(stretched(readout, direction, factor).states) == pytest.approx(0.5, abs=1e-6)
    far = least_move(readout, direction, 0.98)
    assert mean_cosine(moved(readout, far * direction).states) == pytest.approx(0.98, abs=1e-6)
    assert least_stretch(readout, direction, -1.0) == 1


def test_a_mean_cosine_out_of_reach_is_approached():
    """States of both signs along every direction end as ± one vector."""
    readout = random_readout()
    states = torch.cat([readout.states, -readout.states[:10]])
    both = Readout(readout.head, readout.bias, states)
    direction = constant_direction(states)
    near = mean_cosine(stretched(both, direction, least_stretch(both, direction, 0.999)).states)
    most = max(mean_cosine(stretched(both, direction, 2.0**power).states) for power in range(20))
    assert most - 2e-3 < near < 0.9


def test_the_papers_model_as_read_off():
    tables = [pd.read_csv(RESOURCES / f"figure_{number}_published.csv") for number in (2, 4, 5)]
    targets = read_targets(*tables, "pythia-70m")
    assert (targets.anisotropy, targets.sigma_ratio) == (0.9828, 0.05417)
    assert targets.entropy_share == pytest.approx(5.49873 / np.log(512))
    assert read_targets(*tables, "pythia-14m").entropy_share == pytest.approx(4.674 / np.log(128), abs=0.01)
