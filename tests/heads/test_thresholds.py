"""Smooth and kinked curves with known answers, and the paper's own points."""

import numpy as np
import pandas as pd
import pytest

from lm_saturation.heads.rank_costs import cost_rows, model_cost_rows, published_cost_rows
from lm_saturation.heads.rank_threshold import (
    curve,
    fit,
    fit_all,
    kink_test,
    noticeable_at,
    published_threshold_rows,
)
from tests.conftest import RESOURCES

PUBLISHED = pd.read_csv(RESOURCES / "figure_6_published.csv")
RANKS = np.array([8, 16, 32, 64, 128, 256, 512, 1024.0])
ERRORS = np.array([0.0, 0.2, 0.35, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])


def test_a_kink_is_found_where_it_is():
    losses = 2.5 + 0.3 * np.maximum(0, np.log(100 / RANKS))
    fitted = fit("rank", RANKS, losses)
    assert fitted.kink == pytest.approx(100, rel=0.01)
    assert fitted.kinked_error < 1e-3
    assert fitted.aic_difference > 10
    losses = 2.5 + 2 * np.maximum(0, ERRORS - 0.6)
    fitted = fit("w_error", ERRORS, losses)
    assert fitted.kink == pytest.approx(0.6, abs=0.002)
    assert fitted.aic_difference > 10


def test_a_stick_of_two_slopes_is_found():
    losses = 2.5 - 0.05 * np.log(RANKS) + 0.4 * np.maximum(0, np.log(90 / RANKS))
    fitted = fit("rank", RANKS, losses)
    assert fitted.two_slopes
    assert fitted.kink == pytest.approx(90, rel=0.01)
    assert fitted.aic_difference > 10


def test_many_fits_are_those_of_a_general_solver():
    """At the kink and the exponent found, numpy's least squares gives the same sums of squares, and none is lower."""
    rng = np.random.default_rng(0)
    losses = 3 - 0.1 * np.log(RANKS) + 0.02 * rng.standard_normal((3, len(RANKS)))
    fits = fit_all("rank", RANKS, losses)
    kinks = np.geomspace(16, 512, 400)
    for place, of_one in enumerate(losses):
        smooth = [_squares([RANKS**-gamma], of_one) for gamma in np.geomspace(0.02, 20, 400)]
        assert fits.smooth_squares[place] == pytest.approx(min(smooth), rel=1e-6)
        bent = [np.maximum(0, np.log(kink / RANKS)) for kink in kinks]
        flat = min(_squares([line], of_one) for line in bent)
        sloped = min(_squares([line, np.log(RANKS)], of_one) for line in bent)
        criteria = [len(RANKS) * np.log(flat) + 2 * 3, len(RANKS) * np.log(sloped) + 2 * 4]
        expected = len(RANKS) * np.log(min(smooth)) + 2 * 3 - min(criteria)
        assert fits.aic_difference[place] == pytest.approx(expected, rel=1e-5)


def _squares(columns, losses):
    design = np.stack([np.ones(len(losses)), *columns], 1)
    return ((losses - design @ np.linalg.lstsq(design, losses, rcond=None)[0]) ** 2).sum()


def test_the_test_of_a_kink_excludes_what_is_not_true():
    """Ranks of the paper's 7B with noise of .01 nats: benchmarks/kink_power.py has the shares over many."""
    ranks = np.array([32, 64, 128, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096.0])
    noise = 0.01 * np.random.default_rng(1).standard_normal(len(ranks))
    kink = kink_test("rank", ranks, 1.9 + 0.4 * np.maximum(0, np.log(300 / ranks)) + noise)
    assert kink["p_smooth"] < 0.025 < kink["p_kinked"]
    assert kink["power"] > 0.95
    smooth = kink_test("rank", ranks, 1.8 + 10 * ranks**-0.63 + noise)
    assert smooth["p_kinked"] < 0.025 < smooth["p_smooth"]
    neither = kink_test("rank", ranks, 1.9 + 0.01 * np.maximum(0, np.log(300 / ranks)) + noise)
    assert min(neither["p_smooth"], neither["p_kinked"]) > 0.025
    assert neither["power"] < 0.8


def test_a_smooth_curve_has_none():
    fitted = fit("rank", RANKS, 2.5 + 3 * RANKS**-0.7)
    assert fitted.exponent == pytest.approx(0.7, rel=0.02)
    assert fitted.smooth_error < 1e-3
    assert fitted.aic_difference < -10
    fitted = fit("w_error", ERRORS, 2.5 + 0.02 * (1 - ERRORS) ** -1.3)
    assert fitted.exponent == pytest.approx(1.3, rel=0.02)
    assert fitted.aic_difference < -10


@pytest.mark.parametrize("against", ["rank", "w_error"])
@pytest.mark.parametrize("kind", ["smooth", "kinked"])
def test_the_curves_drawn_are_those_fitted(against, kind):
    x = RANKS if against == "rank" else ERRORS
    rng = np.random.default_rng(0)
    losses = 3 - 0.1 * np.log(x) if against == "rank" else 2 + x**2
    losses = losses + 0.01 * rng.standard_normal(len(x))
    fitted = fit(against, x, losses)
    residuals = losses - curve(against, kind, fitted, x, losses, x)
    expected = fitted.smooth_error if kind == "smooth" else fitted.kinked_error
    assert np.sqrt((residuals**2).mean()) == pytest.approx(expected, rel=1e-6)


def test_where_the_loss_is_noticeable():
    losses = np.array([3.0, 2.2, 2.1, 2.0])
    ranks = np.array([1, 2, 4, 8.0])
    assert noticeable_at("rank", ranks, losses) == pytest.approx(2**2.5)  # half way in log rank
    assert noticeable_at("w_error", np.array([0.9, 0.6, 0.5, 0.0]), losses) == pytest.approx(0.25)
    assert np.isnan(noticeable_at("rank", ranks, np.array([2.04, 2.03, 2.01, 2.0])))


def test_the_papers_curves_have_no_threshold():
    """The published points of Figs 6b and 8, as docs/claims.md reports them."""
    rows = pd.DataFrame(list(published_threshold_rows(PUBLISHED)))
    ranks = rows[rows.against == "rank"]
    at = ranks.pivot_table(index="model", columns="level_nats", values="noticeable_at", sort=False).round()
    assert at[0.05].to_dict() == {"pythia-410m": 604, "pythia-1b": 1146, "Llama-2-7b-hf": 1569}
    assert at[0.02].to_dict() == {"pythia-410m": 738, "pythia-1b": 1484, "Llama-2-7b-hf": 3076}
    errors = rows[rows.against == "w_error"].set_index("level_nats").noticeable_at
    assert errors.round(2).to_dict() == {0.02: 0.38, 0.05: 0.50, 0.1: 0.62, 0.2: 0.75}
    once = ranks[ranks.level_nats == 0.05].set_index("model")
    assert (once.p_kinked < 0.025).to_dict() == {"pythia-410m": True, "pythia-1b": False, "Llama-2-7b-hf": True}
    assert (once.p_smooth > 0.025).all()
    assert (once.kink_power > 0.9).all()
    assert once.kink.between(155, 185).all()  # nowhere near 1000


def test_costs_are_those_of_the_papers_points():
    rows = pd.DataFrame(list(published_cost_rows(PUBLISHED))).set_index(["model", "rank"])
    assert rows.cost_nats["pythia-410m", 512] == pytest.approx(2.7644 - 2.6894)
    errors = rows.cost_high - rows.cost_low
    assert errors.median() == pytest.approx(2 * 1.96 * np.sqrt(2) * 0.0015 / 2, rel=0.1)


def test_costs_are_paired_over_sequences():
    """Sequences of very different losses, whose difference is the same in all: the cost is exact."""
    sequences = np.array([1.0, 5.0, 9.0])
    values = np.stack([sequences + 0.5, sequences])
    losses = pd.DataFrame(
        [
            {"suite": "s", "model": "m", "initialisation": "svd", "factored": 1, "rank": rank, "sequence": place}
            | {"loss_nats": value}
            for rank, row in zip((2, 4), values, strict=True)
            for place, value in enumerate(row)
        ]
    )
    bounds = pd.DataFrame(
        {"hidden_size": 4, "rank": [2, 4], "method": "svd", "gap_nats": [0.6, 0.1], "gap_low": 0.0, "gap_high": 0.7}
    )
    (row,) = model_cost_rows(bounds, losses)
    assert (row["rank"], row["full_rank_gap"]) == (2, 0.1)
    assert [row["cost_nats"], row["cost_low"], row["cost_high"]] == pytest.approx([0.5] * 3)
    assert not list(cost_rows(np.array([4]), values[:1, 0], values[:, :1]))
    assert not list(model_cost_rows(bounds.assign(hidden_size=8), losses))  # no head of the full rank
