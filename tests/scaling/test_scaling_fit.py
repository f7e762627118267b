"""Rule `scaling_fit`, its table, figure and claims: on the paper's points, and on a suite made of them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from scripts.common.tables import read_table
from scripts.report import figure_1b
from scripts.report.claims_scaling import scaling_rows
from tests.report.suite_tables import checkpoint_metrics, write

PUBLISHED = pd.read_csv("resources/figure_1b_published.csv")


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """checkpoint_metrics of the paper's ten models at their best and final steps."""
    folder, paths = tmp_path_factory.mktemp("suite"), []
    for model, rows in PUBLISHED.groupby("model", sort=False):
        ordered = rows.sort_values("step").drop_duplicates("step", keep="first")
        one = checkpoint_metrics(
            "pythia",
            model,
            ordered.step.to_numpy(),
            ordered.loss_nats.to_numpy(),
            tokens=ordered.tokens.to_numpy(),
            parameters=int(ordered.nominal_parameters.iloc[0]),  # as the paper counts
            non_embedding_parameters=int(ordered.non_embedding_parameters.iloc[0]),
            hidden_size=int(ordered.head_parameters.iloc[0]) // 512,
        )
        paths.append(write("checkpoint_metrics", folder / f"{model}.parquet", one))
    return paths


@pytest.fixture
def tables(tmp_path, run_script):
    """Run the rule; gives both tables."""

    def run(metrics, fit_from, bootstraps=20):
        paths = {"fits": str(tmp_path / "fits.parquet"), "gaps": str(tmp_path / "gaps.parquet")}
        run.log = run_script(
            "scaling/scaling_fit.py",
            input={"metrics": metrics, "published": "resources/figure_1b_published.csv"},
            output=paths,
            params={"fit_from": fit_from, "bootstraps": bootstraps},
        )
        fits = read_table("scaling_fit", paths["fits"]).to_pandas()
        return fits, read_table("scaling_gaps", paths["gaps"]).to_pandas()

    return run


def test_the_papers_points_by_every_count(tables):
    fits, gaps = tables([], {})
    assert len(fits) == 4 * 3  # four counts, three held constants; too few points for five free ones
    hoffmann = fits[fits.constants == "hoffmann"].set_index("parameters_counted")
    assert hoffmann.final_gap.round(3).to_dict() == {
        "nominal": 0.086,
        "total": 0.087,
        "non_embedding_and_head": 0.058,
        "non_embedding": -0.037,  # as small models have few parameters beside their embeddings
    }
    assert (fits.final_gap_low <= fits.final_gap).all()
    nominal = gaps[(gaps.constants == "hoffmann") & (gaps.parameters_counted == "nominal")]
    nominal = nominal[nominal.checkpoint == "final"]
    assert nominal.fitted.sum() == 6
    assert nominal.held_out_error.notna().sum() == 6
    assert nominal[nominal.fitted == 1].gap.abs().max() < 0.01 < nominal[nominal.fitted == 0].gap.min()


def test_a_suite_is_treated_as_the_papers_points_are(tables, suite):
    fits, _ = tables(suite, {"pythia": 400_000_000})
    own, paper = (
        fits[fits.source == source].set_index(["parameters_counted", "constants"]) for source in ("ours", "paper")
    )
    for column in ("A", "alpha", "final_gap", "best_gap"):
        here = own[column]["nominal", "hoffmann"]
        assert here == pytest.approx(paper[column]["nominal", "hoffmann"], rel=1e-3)
    claims = {row["claim"]: row for row in scaling_rows(fits)}
    assert claims["small_models_lie_above_the_law"]["verdict"] == "reproduced"
    assert claims["best_checkpoints_lie_above_the_law"]["verdict"] == "reproduced"
    robust = claims["above_the_law_however_counted"]
    assert (robust["agreeing"], robust["curves"], robust["verdict"]) == (3, 4, "not reproduced")


def test_without_small_models_nothing_is_claimed(tables, suite):
    fits, _ = tables(suite, {})
    assert {row["verdict"] for row in scaling_rows(fits)} == {"not tested in this configuration"}
    assert {row["verdict"] for row in scaling_rows(fits[:0])} == {"not tested in this configuration"}


def trained(tokens, loss):
    """Five models of a suite that is trained here, with twenty checkpoints each."""
    steps = np.arange(0, 2000, 100)
    parts = []
    for number, width in enumerate((8, 16, 32, 64, 128)):
        parameters = 1000 * width**2
        sizes = {"parameters": parameters, "non_embedding_parameters": 100 * width**2, "hidden_size": width}
        seen = np.maximum(steps, 1) * tokens
        losses = loss(parameters, seen)
        parts.append(checkpoint_metrics("own", f"m{number}", steps, losses, tokens=steps * tokens, **sizes))
    return parts


def test_five_constants_are_fitted_where_held_ones_leave_nothing(tables, tmp_path):
    parts = trained(10_000, lambda n, t: 50 / n**0.3 + 30 / t**0.2 + 1.0)
    paths = [write("checkpoint_metrics", tmp_path / f"{place}.parquet", one) for place, one in enumerate(parts)]
    fits, gaps = tables(paths, {})
    own = fits[fits.source == "ours"]
    assert set(own.constants) == {"free"}
    assert "leave no loss to N" in tables.log
    total = own.set_index("parameters_counted").loc["total"]
    assert (total.A, total.alpha, total.B, total.beta, total.E) == pytest.approx((50, 0.3, 30, 0.2, 1.0), rel=0.05)
    assert gaps[(gaps.source == "ours") & (gaps.parameters_counted == "total")].gap.abs().max() < 1e-3
    drawn = figure_1b.curves_drawn(fits, gaps, PUBLISHED)
    assert set(drawn.panel) == {"points of the paper, hoffmann", "own, free"}
    marks = drawn[(drawn.series == "read off")]
    assert len(marks) == 20
    np.testing.assert_allclose(marks.loss_nats.sum(), PUBLISHED.loss_nats.sum())
    plt.close(figure_1b.draw(drawn))


def test_processes_change_no_number(tables, suite, tmp_path, run_script):
    alone, _ = tables(suite, {"pythia": 400_000_000}, 60)
    paths = {"fits": str(tmp_path / "two.parquet"), "gaps": str(tmp_path / "two_gaps.parquet")}
    run_script(
        "scaling/scaling_fit.py",
        input={"metrics": suite, "published": "resources/figure_1b_published.csv"},
        output=paths,
        params={"fit_from": {"pythia": 400_000_000}, "bootstraps": 60},
        threads=2,
    )
    pd.testing.assert_frame_equal(alone, read_table("scaling_fit", paths["fits"]).to_pandas())
