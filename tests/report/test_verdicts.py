"""Claims of a made paper: from curves to verdicts, rows, curves and words."""

import numpy as np
import pandas as pd
import pytest

from lm_saturation.claims import base
from lm_saturation.claims.base import HERE, PAPER, SHIPPED, Cut, claim, question
from lm_saturation.claims.needs import PUBLISHED_EVALUATIONS, PUBLISHED_MODEL
from lm_saturation.io.tables import read_csv, write_csv
from lm_saturation.report.page import summary_text
from lm_saturation.report.verdicts import counts, shown_claims, untested, verdict_in_words
from lm_saturation.statistics.decisions import above, curves_of

COMMON = {"unit": "nats", "shown_in": ("figure_1a",), "needs": PUBLISHED_EVALUATIONS}


@pytest.fixture
def declared(monkeypatch):
    """A claim judged on two sources and a question, and nothing else."""
    monkeypatch.setattr(base, "CLAIMS", {})

    @claim("Loss rises (here: by .1)", published="0.1", cut=Cut(0.1, "the paper's"), **COMMON)
    def loss_rises(saturation, cut):
        return decide(saturation, cut)

    @loss_rises.also_on(PAPER)
    def read_off(figure_1a, cut):
        return decide(figure_1a, cut)

    @question("Does loss rise?", **COMMON)
    def does_it(saturation):
        return decide(saturation, 0)

    return base.CLAIMS


def decide(rows, threshold):
    return above(curves_of(rows, "value", "low", "high", name=["model"]), threshold)


def rows(*intervals):
    table = pd.DataFrame(intervals, columns=["low", "high"], dtype=float)
    return table.assign(value=table.mean(axis=1), model=[f"m{n}" for n in range(len(table))])


YES, NO, OPEN = (0.2, 0.3), (-0.2, -0.1), (-0.2, 0.4)


@pytest.mark.parametrize(
    ("intervals", "verdict", "answer"),
    [
        ([YES, YES], "reproduced", "yes"),
        ([YES, NO], "in part", "in part"),
        ([YES, OPEN], "in part", "in part"),
        ([NO, OPEN], "contradicted", "no"),
        ([OPEN, OPEN], "inconclusive", "inconclusive"),
        ([], "not tested here", "not tested here"),
    ],
)
def test_one_verdict_of_all_curves(declared, intervals, verdict, answer):
    known = {"saturation": rows(*intervals), "figure_1a": rows(YES)}
    assert declared["loss_rises"].row(HERE, known)["verdict"] == verdict
    assert declared["does_it"].row(HERE, known)["verdict"] == answer
    assert declared["loss_rises"].row(PAPER, known)["verdict"] == "reproduced"


def test_the_verdicts_at_half_and_twice_of_the_cut_are_given(declared):
    row = declared["loss_rises"].row(HERE, {"saturation": rows((0.12, 0.18))})
    assert (row["verdict"], row["verdict_at_half"], row["verdict_at_twice"]) == (
        "reproduced",
        "reproduced",
        "contradicted",
    )
    assert "hangs on the threshold 0.1: at twice of it contradicted" in verdict_in_words(row)
    steady = declared["loss_rises"].row(HERE, {"saturation": rows((0.5, 0.6))})
    assert "hangs" not in verdict_in_words(steady)


def test_several_curves_have_a_range_and_no_interval(declared):
    one, two = (declared["loss_rises"].row(HERE, {"saturation": rows(*chosen)}) for chosen in ([YES], [YES, OPEN]))
    assert (one["ours_low"], one["ours_high"]) == YES
    assert (two["ours_low"], two["ours_high"]) == (None, None)
    assert (two["ours_minimum"], two["ours_maximum"]) == (pytest.approx(0.1), pytest.approx(0.25))
    assert verdict_in_words(two).startswith("**in part** (1 of 2 agree; median 0.17 nats, 0.1 to 0.25 over 2 curves")


def table(declared, intervals):
    known = {"saturation": rows(*intervals), "figure_1a": rows(YES, NO)}
    judged = [(one, source) for one in declared.values() for source in one.sources()]
    curves = pd.DataFrame([row for one, source in judged for row in one.curve_rows(source, known)])
    return pd.DataFrame([one.row(source, known) for one, source in judged]), curves


def test_tables_words_and_counts(declared, tmp_path):
    claims, curves = table(declared, [OPEN])
    write_csv("claims", tmp_path / "claims.csv", claims)
    write_csv("claim_curves", tmp_path / "curves.csv", curves)
    claims = read_csv("claims", tmp_path / "claims.csv")
    assert claims[["claim", "kind", "source", "verdict"]].to_numpy().tolist() == [
        ["loss_rises", "claim", "paper's curves", "in part"],
        ["loss_rises", "claim", "measured here", "inconclusive"],
        ["does_it", "question", "measured here", "inconclusive"],
    ]
    assert read_csv("claim_curves", tmp_path / "curves.csv").says.tolist() == ["agrees", "contradicts", "open", "open"]
    (shown,) = shown_claims(claims, "claim")
    assert [(one.source, one.sign, one.votes) for one in shown.verdicts] == [
        ("paper's curves", "◐", "1 of 2 agree, 1 contradicts"),
        ("measured here", "?", "0 of 1 agree"),
    ]
    assert counts(claims) == [("paper's curves", [0, 1, 0, 0, 0]), ("measured here", [0, 0, 0, 1, 0])]
    assert untested(claims) == []
    text = summary_text(claims, "results/claims.csv", "results/report.html")
    assert "◐ in part (paper's curves: 0.05 nats, -0.15 to 0.25 over 2 curves, 1 of 2 agree, 1 contradicts)" in text
    assert "results/report.html" in text


def test_a_claim_is_untested_only_if_every_source_is(declared):
    claims, _ = table(declared, [])
    assert untested(claims) == ["does_it"]
    assert [one.source for one in shown_claims(claims, "claim")[0].verdicts] == ["paper's curves"]
    assert shown_claims(claims, "question")[0].verdicts[0].verdict == "not tested here"


def test_the_power_of_what_is_open(declared):
    decisions = above(curves_of(rows(OPEN), "value", "low", "high", name=["model"]), 0, effect=0.3)
    error = 0.3 / 1.96
    assert base.summary(decisions)["power"] == pytest.approx(
        float(np.mean(0.3 / error + np.random.default_rng(0).standard_normal(100_000) > 1.96)), abs=0.01
    )


def test_one_judge_of_several_sources(declared):
    """On another table, or on other rows of the same one."""
    judged = declared["loss_rises"]
    judged.alike_on(SHIPPED, PUBLISHED_MODEL, saturation="shipped_saturation")
    assert judged.tables == ["saturation", "shipped_saturation"]
    assert judged.evidence[SHIPPED].needs is PUBLISHED_MODEL
    known = {"saturation": rows(NO), "shipped_saturation": rows(YES)}
    assert judged.row(HERE, known)["verdict"] == "contradicted"
    assert judged.row(SHIPPED, known)["verdict"] == "reproduced"

    @claim("Loss rises in every source", published="0.1", **COMMON)
    def rises_everywhere(saturation, source):
        return decide(saturation[saturation.source == source], 0.1)

    rises_everywhere.alike_on(PAPER)
    assert rises_everywhere.tables == ["saturation"]
    both = pd.concat([rows(YES).assign(source=HERE), rows(NO).assign(source=PAPER)])
    assert rises_everywhere.row(HERE, {"saturation": both})["verdict"] == "reproduced"
    assert rises_everywhere.row(PAPER, {"saturation": both})["verdict"] == "contradicted"


def test_a_claim_is_declared_once_a_source_once(declared):
    with pytest.raises(ValueError, match="declared twice"):
        claim("x", published="x", name="loss_rises", **COMMON)(lambda saturation: None)
    with pytest.raises(ValueError, match="judged twice on measured here"):
        declared["loss_rises"].also_on(HERE)(lambda saturation: None)
