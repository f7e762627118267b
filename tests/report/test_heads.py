"""Figures, tables and claims of rank-constrained heads, on the paper's own points and on tables with known answers."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from lm_saturation.claims.base import HERE, NOT_TESTED, PAPER
from lm_saturation.figures import panels
from lm_saturation.heads.loss_expansion import expansion_rows, order_rows
from lm_saturation.heads.rank_costs import published_cost_rows
from lm_saturation.heads.rank_threshold import published_threshold_rows
from lm_saturation.report.tables.heads import head_table
from scripts.report import figure_6, figure_6_controls, figure_8, figure_9, figure_bottleneck
from tests.conftest import RESOURCES
from tests.report.judging import judged

PUBLISHED = pd.read_csv(RESOURCES / "figure_6_published.csv")
PAPER_THRESHOLDS = pd.DataFrame(list(published_threshold_rows(PUBLISHED)))
NAMES = {"pythia-final/410m": "pythia-410m", "pythia-final/1b": "pythia-1b", "llama-2/7b": "Llama-2-7b-hf"}
OF_TRAINED = (
    "loss_degrades_below_rank_1000",
    "loss_suffers_beyond_w_error",
    "threshold_in_rank",
    "small_heads_hurt",
)
GAP = 0.3  # of the head of initialisation N(0, 1), over that of others


def published_heads():
    """table_heads of the paper's models, with its losses, for two initialisations, each also unfactored."""
    parts = []
    for place, name in NAMES.items():
        suite, model = place.split("/")
        rows = PUBLISHED[PUBLISHED.model == name].assign(suite=suite, model=model, factored=1, loss_error=0.01)
        rows = rows.assign(gap_nats=0.1, gap_low=0.05, gap_high=0.2, initial_loss_nats=300.0)
        rows["w_error"] = rows.w_error.fillna(1 - rows["rank"] / rows["rank"].max())
        whole = rows.tail(1).assign(factored=0)
        for initialisation, shift in (("normal", 0.0), ("svd", -GAP)):
            parts += [rows.assign(initialisation=initialisation, loss_nats=rows.loss_nats + shift)]
            parts += [whole.assign(initialisation=initialisation)]
    return pd.concat(parts, ignore_index=True)


def thresholds(**changed):
    """The paper's curves as though they had been measured here."""
    return PAPER_THRESHOLDS.assign(source="ours", suite="s").assign(**changed)


def costs(full_rank_gap=0.0, **changed):
    rows = pd.DataFrame(list(published_cost_rows(PUBLISHED)))
    known = {f"full_rank_gap{end}": full_rank_gap for end in ("", "_low", "_high")}
    return rows.assign(source="ours", suite="s", **known).assign(**changed)


def lemma():
    return pd.DataFrame(order_rows(expansion_rows(4)))


def claims(table, of_costs=None, source=HERE):
    tables = {"head_thresholds": table, "head_costs": costs() if of_costs is None else of_costs}
    return judged({**tables, "loss_expansion_orders": lemma(), "bottleneck_bound": bounds_table()}, source)


def verdicts(found):
    return {name: (row["agreeing"], row["contradicting"], row["curves"], row["verdict"]) for name, row in found.items()}


def test_the_papers_own_curves():
    """As docs/claims.md says: the verdicts, and those at half and twice of what counts as noticeable."""
    found = claims(thresholds(source="paper"), costs(source="paper"), PAPER)
    assert verdicts(found) == {
        "loss_degrades_below_rank_1000": (3, 0, 3, "reproduced"),
        "loss_suffers_beyond_w_error": (0, 1, 1, "contradicted"),
        "threshold_in_rank": (0, 2, 3, "contradicted"),
        "small_heads_hurt": (3, 0, 3, "reproduced"),
    }
    at_others = {name: (row["verdict_at_half"], row["verdict_at_twice"]) for name, row in found.items() if row["cut"]}
    assert at_others == {
        "loss_degrades_below_rank_1000": ("in part", "in part"),
        "loss_suffers_beyond_w_error": ("contradicted", "reproduced"),
        "small_heads_hurt": ("reproduced", "in part"),
    }


def test_heads_trained_here_are_judged_alike():
    found = claims(thresholds())
    for name, row in claims(thresholds(source="paper"), costs(source="paper"), PAPER).items():
        assert found[name]["verdict"] == row["verdict"]
        assert found[name]["ours"] == pytest.approx(row["ours"])
    assert found["gap_is_order_epsilon"]["ours"] == pytest.approx(2, abs=0.01)
    assert found["gap_is_order_epsilon"]["verdict"] == "reproduced"


def test_heads_that_were_not_trained_far_enough_decide_nothing():
    for gap in (0.06, 22.0):
        found = claims(thresholds(), costs(gap))
        assert {found[name]["verdict"] for name in OF_TRAINED} == {"inconclusive"}
    assert claims(thresholds(), costs(-0.3))["small_heads_hurt"]["verdict"] == "reproduced"  # better than pretrained
    doubtful = costs(0.0, full_rank_gap_high=0.06)
    assert claims(thresholds(), doubtful)["small_heads_hurt"]["verdict"] == "inconclusive"


def test_narrow_models_do_not_judge_numbers_of_pythia():
    found = claims(thresholds(hidden_size=64))
    for name in ("loss_degrades_below_rank_1000", "loss_suffers_beyond_w_error"):
        assert found[name]["verdict"] == NOT_TESTED
    assert found["threshold_in_rank"]["curves"] == 3


def test_other_initialisations_and_the_papers_rows_are_not_judged():
    for table in (thresholds(initialisation="svd"), thresholds(source="paper"), thresholds()[:0]):
        found = claims(table)
        assert {found[name]["verdict"] for name in OF_TRAINED if name != "small_heads_hurt"} == {NOT_TESTED}


def test_a_kink_reproduces_the_threshold_and_too_little_power_leaves_it_open():
    kinked = thresholds(
        aic_difference=9.0, aic_difference_low=5.0, aic_difference_high=12.0, p_smooth=0.002, p_kinked=0.6
    )
    assert claims(kinked)["threshold_in_rank"]["verdict"] == "reproduced"
    weak = claims(thresholds(kink_power=0.4))["threshold_in_rank"]
    assert (weak["verdict"], weak["power"]) == ("inconclusive", pytest.approx(0.4))
    both = claims(thresholds(aic_difference_low=-4.9, aic_difference_high=1.5))["threshold_in_rank"]
    assert both["verdict"] == "inconclusive"


def test_an_interval_must_lie_inside_the_range():
    """That it meets the range is not enough."""
    at = {"noticeable_at": 0.6, "noticeable_at_low": 0.54, "noticeable_at_high": 0.64}
    assert claims(thresholds(**at))["loss_suffers_beyond_w_error"]["verdict"] == "inconclusive"
    at["noticeable_at_low"] = 0.56
    assert claims(thresholds(**at))["loss_suffers_beyond_w_error"]["verdict"] == "reproduced"
    never = thresholds(noticeable_at=np.nan, noticeable_at_low=np.nan, noticeable_at_high=np.nan)
    assert claims(never)["loss_suffers_beyond_w_error"]["ours"] == 1


def test_the_theorem_holds_where_the_gap_lies_below_the_bound():
    given = {"head_thresholds": thresholds(), "head_costs": costs(), "loss_expansion_orders": lemma()}
    found = judged({**given, "bottleneck_bound": bounds_table()})["cut_heads_keep_to_the_bound"]
    assert (found["agreeing"], found["curves"]) == (2, 2)  # rank 2 of both heads; rank 4 is the full one
    broken = bounds_table().assign(paper_bound=0.3)
    assert judged({**given, "bottleneck_bound": broken})["cut_heads_keep_to_the_bound"]["verdict"] == "contradicted"
    touching = bounds_table().assign(paper_bound=0.55)
    assert judged({**given, "bottleneck_bound": touching})["cut_heads_keep_to_the_bound"]["verdict"] == "inconclusive"


def sweep(initialisation, rank, factored, is_best, loss):
    keys = {"suite": "s", "model": "m", "step": 9, "initialisation": initialisation, "rank": rank, "factored": factored}
    numbers = {"learning_rate": 0.01, "initial_loss_nats": 9.0, "training_loss_nats": loss, "loss_nats": loss}
    return {**keys, **numbers, "loss_error": 0.1, "accuracy": 0.3, "diverged": 0, "is_best": is_best}


def bound(method, rank, **given):
    keys = {"suite": "s", "model": "m", "step": 9, "hidden_size": 4, "head": "pretrained", "method": method}
    numbers = {
        "rank": rank,
        "w_error": 1 - rank / 4,
        "loss_nats": 3.0,
        "gap_nats": 0.5,
        "gap_low": 0.4,
        "gap_high": 0.6,
    }
    empty = dict.fromkeys(("first_order", "second_order", "quadratic", "bound", "paper_bound"), np.nan)
    return {**keys, **numbers, **empty, **given}


def bounds_table():
    losses = {"pretrained": 3.0, "refitted": 1.5}
    cut = {"first_order": 0.01, "second_order": 0.4, "quadratic": 5.0, "bound": 5.01, "paper_bound": 50.0}
    rows = [
        bound("normal", 2),
        bound("normal", 4),
        bound("normal_unfactored", 4),
        bound("normal", 2, loss_nats=2.5, gap_nats=0.0),
    ]
    for head in ("pretrained", "refitted"):
        given = {"head": head, "loss_nats": losses[head], **cut}
        rows += [bound(name, rank, **given) for name in figure_bottleneck.CUTS for rank in (2, 4)]
    return pd.DataFrame(rows)


def test_the_table_holds_the_best_heads_and_their_gaps():
    given = [sweep("normal", 2, 1, 1, 3.0), sweep("normal", 2, 1, 0, 4.0), sweep("normal", 4, 0, 1, 2.0)]
    rows = head_table(pd.DataFrame(given), bounds_table()[1:3].assign(rank=[2, 4]))
    assert rows[["rank", "factored", "loss_nats", "gap_nats"]].to_numpy().tolist() == [
        [2, 1, 3.0, 0.5],
        [4, 0, 2.0, 0.5],
    ]


def test_figure_6_draws_the_papers_initialisation_the_best_one_and_the_papers_curve():
    drawn = figure_6.curves_drawn(published_heads(), PUBLISHED, NAMES)
    assert set(drawn[drawn.source == "ours"].initialisation) == {"normal", "svd", "pretrained"}
    heads = published_heads()
    pretrained = drawn[drawn.initialisation == "pretrained"].set_index("model").loss_nats
    for model, own in heads.groupby("model"):
        assert pretrained[model] == pytest.approx((own.loss_nats - own.gap_nats).mean())
    paper = drawn[drawn.source == "paper"]
    assert len(paper) == len(PUBLISHED)
    assert paper.loss_nats.sum() == pytest.approx(PUBLISHED.loss_nats.sum())
    figure = figure_6.draw(drawn)
    assert [axis.get_ylabel() for axis in figure.axes] == ["accuracy", "loss (nats/token)"]
    plt.close(figure)


def test_figure_8_draws_both_curves_through_the_points():
    drawn = figure_8.curves_drawn(published_heads(), PUBLISHED, NAMES)
    kinds = drawn[drawn.source == "ours"].groupby(["panel", "kind"]).size()
    assert kinds["rank", "smooth"] == kinds["rank", "kinked"] == 6 * figure_8.PLACES
    assert drawn[drawn.source == "paper"].panel.value_counts().to_dict() == {"rank": 27, "w_error": 8}
    plt.close(figure_8.draw(drawn))


def test_figure_9_draws_the_best_rates():
    drawn = figure_9.curves_drawn(published_heads(), PUBLISHED, NAMES)
    assert set(drawn.learning_rate) == set(PUBLISHED.learning_rate)
    plt.close(figure_9.draw(drawn))


def test_figure_6_controls_draws_means_of_the_training_loss():
    heads = published_heads()
    widest = heads[heads["rank"] == heads.groupby(["suite", "model"])["rank"].transform("max")]
    parts = [
        row.to_frame().T.assign(update=update, tokens=update * 10, loss_nats=float(update))
        for _, row in widest.iterrows()
        for update in range(120)
    ]
    training = pd.concat(parts).infer_objects().astype({"loss_nats": float, "tokens": int, "update": int})
    drawn = figure_6_controls.curves_drawn(heads, bounds_table(), training)
    learning = drawn[drawn.panel == "training"]
    assert (learning.groupby(["suite", "model", "series", "factored"]).size() == 60).all()
    assert learning.loss_nats.min() == 0.5
    plt.close(figure_6_controls.draw(drawn))


def test_figure_bottleneck_draws_the_best_trained_head_and_every_bound():
    drawn = figure_bottleneck.curves_drawn(bounds_table(), pd.DataFrame(expansion_rows(3)))
    assert set(drawn.series) == set(figure_bottleneck.SERIES)
    best = drawn[drawn.series == "gap, best trained, held out"]
    assert best.x.tolist() == [2, 4]
    assert (drawn[drawn.panel == "refitted"].head_nats == 1.0).all()
    assert (drawn[drawn.panel == "refitted"].pretrained_nats == 2.5).all()
    paper = drawn[(drawn.series == "paper's bound, SVD") & (drawn.panel == "refitted")]
    assert paper.nats.tolist() == [50.0]
    figure = figure_bottleneck.draw(drawn)
    assert len(figure.axes) == 6
    gaps, bounds = figure.axes[2:4]
    assert "refitted to this very sample\n(1.00 nats there: memorised; pretrained 2.50 held out)" in gaps.get_title()
    assert {line.get_label() for line in bounds.get_lines()}.isdisjoint(figure_bottleneck.GAPS)
    assert [line.get_ydata().max() for line in bounds.get_lines()] == [50.0, 5.01, 5.01]
    plt.close(figure)


def test_models_of_ours_stand_beside_the_papers_on_axes_of_its_own():
    heads = published_heads()
    for figure in (figure_6, figure_8, figure_9):
        drawn = figure.curves_drawn(heads, PUBLISHED, {})
        other = drawn[drawn.suite == panels.PAPER]
        assert set(other.model) == set(NAMES.values())
        shown = figure.draw(drawn)
        axis = shown.axes[-1] if figure is not figure_8 else shown.axes[-2]
        labels = [text.get_text() for text in axis.get_legend().get_texts()]
        assert labels == list(PUBLISHED.model.unique())
        plt.close(shown)


def test_an_unfactored_head_above_the_axis_is_named_not_moved():
    heads = published_heads()
    heads.loc[heads.factored == 0, "loss_nats"] = 326.0
    figure = figure_6.draw(figure_6.curves_drawn(heads, PUBLISHED, NAMES))
    axis = figure.axes[1]
    assert {text.get_text() for text in axis.texts} == {"unfactored: 326 ↑"}
    assert not [line for line in axis.get_lines() if line.get_marker() == "*"]
    plt.close(figure)


def test_no_learning_rate_of_figure_9_is_moved():
    drawn = figure_9.curves_drawn(published_heads(), PUBLISHED, NAMES)
    figure = figure_9.draw(drawn)
    lines = [line for axis in figure.axes for line in axis.get_lines()]
    assert {rate for line in lines for rate in line.get_ydata()} == set(PUBLISHED.learning_rate)
    plt.close(figure)


def test_without_models_figures_say_so():
    empty = published_heads()[:0]
    for figure in (figure_6, figure_8, figure_9):
        drawn = figure.curves_drawn(empty, PUBLISHED, {})
        assert drawn.empty
        shown = figure.draw(drawn)
        assert "no model is named in heads.models" in shown.axes[0].texts[0].get_text()
        plt.close(shown)
