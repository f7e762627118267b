"""Smooth and kinked curves with known answers, and the paper's own points."""

import numpy as np
import pandas as pd
import pytest

from scripts.heads.head_thresholds import paper_rows
from scripts.heads.thresholds import curve, fit, noticeable

RANKS = np.array([8, 16, 32, 64, 128, 256, 512, 1024.0])
ERRORS = np.array([0.0, 0.2, 0.35, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])


def test_a_kink_is_found_where_it_is():
    losses = 2.5 + 0.3 * np.maximum(0, np.log(100 / RANKS))
    found = fit("rank", RANKS, losses)
    assert found.kink == pytest.approx(100, rel=0.01)
    assert found.kinked_error < 1e-3
    assert found.criterion > 10
    losses = 2.5 + 2 * np.maximum(0, ERRORS - 0.6)
    found = fit("w_error", ERRORS, losses)
    assert found.kink == pytest.approx(0.6, abs=0.002)
    assert found.criterion > 10


def test_a_smooth_curve_has_none():
    found = fit("rank", RANKS, 2.5 + 3 * RANKS**-0.7)
    assert found.exponent == pytest.approx(0.7, rel=0.02)
    assert found.smooth_error < 1e-3
    assert found.criterion < -10
    found = fit("w_error", ERRORS, 2.5 + 0.02 * (1 - ERRORS) ** -1.3)
    assert found.exponent == pytest.approx(1.3, rel=0.02)
    assert found.criterion < -10


@pytest.mark.parametrize("against", ["rank", "w_error"])
@pytest.mark.parametrize("kind", ["smooth", "kinked"])
def test_the_curves_drawn_are_those_fitted(against, kind):
    x = RANKS if against == "rank" else ERRORS
    rng = np.random.default_rng(0)
    losses = 3 - 0.1 * np.log(x) if against == "rank" else 2 + x**2
    losses = losses + 0.01 * rng.standard_normal(len(x))
    found = fit(against, x, losses)
    residuals = losses - curve(against, kind, found, x, losses, x)
    expected = found.smooth_error if kind == "smooth" else found.kinked_error
    assert np.sqrt((residuals**2).mean()) == pytest.approx(expected, rel=1e-6)


def test_where_the_loss_is_noticeable():
    losses = np.array([3.0, 2.2, 2.1, 2.0])
    ranks = np.array([1, 2, 4, 8.0])
    assert noticeable("rank", ranks, losses) == pytest.approx(2**2.5)  # half way in log rank
    assert noticeable("w_error", np.array([0.9, 0.6, 0.5, 0.0]), losses) == pytest.approx(0.25)
    assert np.isnan(noticeable("rank", ranks, np.array([2.04, 2.03, 2.01, 2.0])))


def test_the_papers_curves_have_no_threshold():
    """The published points of Figs 6b and 8, as docs/figures.md reports them."""
    rows = pd.DataFrame(list(paper_rows(pd.read_csv("resources/figure_6_published.csv"))))
    assert (rows.criterion_high < -15).all()
    ranks = rows[rows.against == "rank"].set_index("model").noticeable.round()
    assert ranks.to_dict() == {"pythia-410m": 604, "pythia-1b": 1146, "Llama-2-7b-hf": 1569}
    error = rows[rows.against == "w_error"].noticeable.iloc[0]
    assert error == pytest.approx(0.503, abs=0.001)
