"""Figures, tables and claims of rank-constrained heads, on the paper's own points and on tables with known answers."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from scripts.heads.head_thresholds import paper_rows
from scripts.heads.loss_expansion import changes, orders
from scripts.report import figure_6, figure_6_controls, figure_8, figure_9, figure_bottleneck
from scripts.report.claims_heads import head_claims
from scripts.report.table_heads import head_rows

PUBLISHED = pd.read_csv("resources/figure_6_published.csv")
NAMES = {"pythia-final/410m": "pythia-410m", "pythia-final/1b": "pythia-1b", "llama-2/7b": "Llama-2-7b-hf"}
GAP = 0.3  # of the head that starts from N(0, 1), over that of others


def published_heads():
    """table_heads of the paper's three models, with the paper's losses, for two starts and an unfactored head."""
    parts = []
    for place, name in NAMES.items():
        suite, model = place.split("/")
        rows = PUBLISHED[PUBLISHED.model == name].assign(suite=suite, model=model, factored=1, loss_error=0.01)
        rows = rows.assign(gap_nats=0.1, gap_low=0.05, gap_high=0.2, initial_loss_nats=300.0)
        rows["w_error"] = rows.w_error.fillna(1 - rows["rank"] / rows["rank"].max())
        whole = rows.tail(1).assign(factored=0)
        for start, shift in (("normal", 0.0), ("svd", -GAP)):
            parts += [rows.assign(start=start, loss_nats=rows.loss_nats + shift), whole.assign(start=start)]
    return pd.concat(parts, ignore_index=True)


def thresholds(**changed):
    rows = pd.DataFrame(list(paper_rows(PUBLISHED))).assign(source="ours")
    return rows.assign(**changed)


def lemma():
    return pd.DataFrame(orders(changes(4)))


def claims(table):
    return {row["claim"]: row for row in head_claims(table, lemma())}


def test_the_papers_own_curves_judged_by_our_tests():
    """As docs/figures.md says."""
    found = claims(thresholds())
    verdicts = {name: (row["agreeing"], row["curves"], row["verdict"]) for name, row in found.items()}
    assert verdicts == {
        "loss_degrades_below_rank_1000": (3, 3, "reproduced"),
        "loss_suffers_beyond_w_error": (0, 1, "not reproduced"),
        "threshold_in_rank": (0, 3, "not reproduced"),
        "gap_is_order_epsilon": (1, 1, "reproduced"),
    }
    assert found["gap_is_order_epsilon"]["ours"] == pytest.approx(2, abs=0.01)
    published = {row["claim"]: row["published"] for row in found.values()}
    assert published["loss_degrades_below_rank_1000"] == "Fig 6b: at rank 604 (410M), 1146 (1B) and 1569 (7B)"


def test_narrow_models_say_nothing_about_rank_1000():
    found = claims(thresholds(hidden_size=64))
    assert found["loss_degrades_below_rank_1000"]["verdict"] == "not tested in this configuration"
    assert found["threshold_in_rank"]["curves"] == 3


def test_other_starts_and_the_papers_rows_are_not_judged():
    for table in (thresholds(start="svd"), thresholds(source="paper"), thresholds()[:0]):
        verdicts = [row["verdict"] for row in claims(table).values()]
        assert verdicts[:3] == ["not tested in this configuration"] * 3


def test_a_kink_and_a_place_near_it_reproduce_the_claims():
    table = thresholds(criterion=9.0, criterion_low=5.0, criterion_high=12.0)
    table.loc[table.against == "w_error", ["noticeable", "noticeable_low", "noticeable_high"]] = 0.63, 0.61, 0.66
    found = claims(table)
    assert found["threshold_in_rank"]["verdict"] == "reproduced"
    assert found["loss_suffers_beyond_w_error"]["verdict"] == "reproduced"


def sweep(start, rank, factored, chosen, loss):
    keys = {"suite": "s", "model": "m", "step": 9, "start": start, "rank": rank, "factored": factored}
    numbers = {"learning_rate": 0.01, "initial_loss_nats": 9.0, "training_loss_nats": loss, "loss_nats": loss}
    return {**keys, **numbers, "loss_error": 0.1, "accuracy": 0.3, "diverged": 0, "chosen": chosen}


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
    cut = {"first_order": 0.01, "second_order": 0.4, "quadratic": 5.0, "bound": 5.01, "paper_bound": 50.0}
    rows = [bound("normal", 2), bound("normal", 4), bound("normal_unfactored", 4), bound("normal", 2, loss_nats=2.5)]
    for head in ("pretrained", "refitted"):
        rows += [bound(name, rank, head=head, **cut) for name in figure_bottleneck.CUTS for rank in (2, 4)]
    return pd.DataFrame(rows)


def test_the_table_holds_the_chosen_heads_and_their_gaps():
    given = [sweep("normal", 2, 1, 1, 3.0), sweep("normal", 2, 1, 0, 4.0), sweep("normal", 4, 0, 1, 2.0)]
    rows = head_rows(pd.DataFrame(given), bounds_table()[1:3].assign(rank=[2, 4]))
    assert rows[["rank", "factored", "loss_nats", "gap_nats"]].to_numpy().tolist() == [
        [2, 1, 3.0, 0.5],
        [4, 0, 2.0, 0.5],
    ]


def test_figure_6_draws_the_papers_start_the_best_one_and_the_papers_curve():
    drawn = figure_6.curves_drawn(published_heads(), PUBLISHED, NAMES)
    assert set(drawn[drawn.source == "ours"].start) == {"normal", "svd"}
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


def test_figure_9_draws_the_chosen_rates():
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
    drawn = figure_bottleneck.curves_drawn(bounds_table(), pd.DataFrame(changes(3)))
    assert set(drawn.series) == set(figure_bottleneck.SERIES)
    best = drawn[drawn.series == "gap, best head trained"]
    assert best.x.tolist() == [2, 4]
    paper = drawn[(drawn.series == "paper's bound, SVD") & (drawn.panel == "refitted")]
    assert paper.nats.tolist() == [50.0]
    figure = figure_bottleneck.draw(drawn)
    assert len(figure.axes) == 4
    plt.close(figure)


def test_without_models_figures_say_so():
    empty = published_heads()[:0]
    for figure in (figure_6, figure_8, figure_9):
        drawn = figure.curves_drawn(empty, PUBLISHED, {})
        assert drawn.empty
        shown = figure.draw(drawn)
        assert "no model is named in heads.models" in shown.axes[0].texts[0].get_text()
        plt.close(shown)
