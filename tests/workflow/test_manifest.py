"""docs/manifest.csv against the catalogue, the claims, the rules and the published tables that are shipped."""

from pathlib import Path

import pytest

from lm_saturation.claims import CLAIMS
from lm_saturation.report.tiers import TIERS
from lm_saturation_workflow.catalogue import FIGURES, TABLES
from lm_saturation_workflow.manifest import SHIPPED, is_shipped, orphans, page, parts, plans, read
from tests.conftest import RESOURCES, ROOT
from tests.rules import rules

ROWS = read(ROOT / "docs" / "manifest.csv")
BY_NAME = {row["name"]: row for row in ROWS}


def changed(name, **cells):
    return [row | cells if row["name"] == name else row for row in ROWS]


def test_the_page_is_current():
    assert (ROOT / "docs" / "manifest.csv").read_text(encoding="utf-8") == page()


def test_nothing_is_loose():
    assert orphans(ROWS, rules()) == []
    assert [row["name"] for row in ROWS] == [*FIGURES, *TABLES]


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        (
            [row for row in ROWS if row["name"] != "figure_4"],
            ["figure_4 has no row", "figure_4, which claims name, is"],
        ),
        (changed("figure_5", claims="collapse"), ["figure_5 bears on collapse, and there is no such claim"]),
        (changed("figure_5", rule="figure_55"), ["figure_5 is made by figure_55, and there is no such rule"]),
        (changed("gemstones", inputs="rubies.csv"), ["gemstones reads rubies.csv, which no rule makes and"]),
        (changed("gemstones", made_by="mine"), ["gemstones reads gemstones.csv.xz, which mine makes, and there is no"]),
        (changed("gemstones", inputs="", made_by=""), ["gemstones has 0 inputs and 0 rules that make them"]),
        (changed("gemstones", tiers=""), ["gemstones belongs to no tier"]),
        (changed("gemstones", claims=""), ["the claim narrow_gemstones_saturate has no row"]),
        ([*ROWS, BY_NAME["gemstones"] | {"name": "rubies"}], ["rubies is not declared"]),
    ],
)
def test_orphans_are_named(found, lines):
    told = orphans(found, rules())
    assert len(told) == len(lines)
    for line, begin in zip(told, lines, strict=True):
        assert line.startswith(begin)


def test_a_claim_that_names_no_figure_is_found(monkeypatch):
    claim = next(iter(CLAIMS.values()))
    lost = type(claim)(**{**vars(claim), "shown_in": (*claim.shown_in, "figure_10")})
    monkeypatch.setitem(CLAIMS, claim.name, lost)
    assert orphans(ROWS, rules()) == ["figure_10, which claims name, is no figure or table"]


def test_tiers_follow_from_inputs():
    published, here, real, paper = (tier.name for tier in TIERS)
    assert parts(BY_NAME["figure_seeds"]["tiers"]) == [published]
    assert parts(BY_NAME["figure_controls"]["tiers"]) == [here]
    assert parts(BY_NAME["figure_1a"]["tiers"]) == [here, real, paper]
    assert parts(BY_NAME["figure_1b"]["tiers"]) == [published, here, paper]
    for row in ROWS:
        if set(parts(row["made_by"])) == {SHIPPED}:
            assert parts(row["tiers"]) == [published], row["name"]
        if "checkpoint_metrics" in parts(row["made_by"]):
            assert here in parts(row["tiers"]), row["name"]


def test_every_published_table_is_read():
    """By some job of the four tiers, but for what only a probe reads."""
    read_files = {
        Path(file).name for jobs in plans().values() for job in jobs for file in job.inputs if is_shipped(file)
    }
    of_probe = {"trained_here.csv"}
    assert {file.name for file in RESOURCES.iterdir() if ".csv" in file.name} - of_probe <= read_files
