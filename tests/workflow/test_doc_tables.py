"""Tables of pages that are written from declarations, and the parts of a declaration."""

import pytest

from lm_saturation.claims import CLAIMS
from lm_saturation_workflow.catalogue import FIGURES, TABLE_RULES, TABLES
from lm_saturation_workflow.doc_tables import IN_README, pages
from lm_saturation_workflow.page_sections import TITLES
from tests.conftest import ROOT


@pytest.mark.parametrize("page", ["README.md", "docs/figures.md", "docs/claims.md"])
def test_the_page_is_current(page):
    assert (ROOT / page).read_text(encoding="utf-8") == pages()[ROOT / page]


def test_every_figure_and_table_has_a_script_and_every_script_is_declared():
    scripts = {path.stem for path in (ROOT / "scripts" / "report").glob("*.py")}
    assert scripts == {*FIGURES, *TABLE_RULES, "claims", "findings", "provenance", "report", "workflow_graph"}
    assert set(IN_README) <= set(FIGURES)


def test_claims_name_figures_and_tables_that_there_are():
    for claim in CLAIMS.values():
        assert set(claim.tables) <= set(TABLES), claim.name
        assert set(claim.shown_in) <= set(TITLES), claim.name
        assert claim.needs.runs, claim.name
