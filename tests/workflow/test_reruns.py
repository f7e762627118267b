"""The page on what an edit runs again. That Snakemake does so is in test_workflow.py."""

import pytest
import yaml

from lm_saturation_workflow.plan import ROOT, plan, plan_of
from lm_saturation_workflow.reruns import page, rerun
from tests.conftest import SMOKE


@pytest.fixture(scope="module")
def smoke():
    """The smoke configuration whole: what a file names is added to config.yaml."""
    return yaml.safe_load((ROOT / SMOKE[1]).read_text())


def test_the_page_is_current():
    assert (ROOT / "docs" / "reruns.md").read_text(encoding="utf-8") == page()


@pytest.mark.parametrize(
    ("section", "change", "not_again"),
    [
        (
            "report",
            {"palette": "tab10"},
            {"table_7", "claims", "checkpoint_metrics", "ngram_spectrum", "checkpoint_train"},
        ),
        ("metrics", {"tokens": 900}, {"checkpoint_train", "ngram_counts", "head_states", "head_rank_sweep"}),
        ("heads", {"refit_iterations": 6}, {"head_states", "head_rank_sweep", "checkpoint_train"}),
        ("scaling", {"bootstraps": 11}, {"checkpoint_metrics", "saturation", "head_states"}),
        ("ngrams", {"min_counts": [3]}, {"ngram_counts", "ngram_matrix", "tokens", "ngram_language_model"}),
    ],
)
def test_what_cost_much_does_not_run_again(smoke, section, change, not_again):
    before = plan_of(smoke)
    after = plan_of(smoke | {section: smoke[section] | change})
    again = rerun(before, after)
    assert again
    assert not not_again & set(again)


def test_nothing_changed_runs_nothing():
    assert not rerun(plan(ROOT / SMOKE[1]), plan(ROOT / SMOKE[1]))


def test_the_triggers_are_the_same_in_every_profile():
    kept = ["mtime", "params", "input", "software-env"]  # not code: rules have a parameter of that name
    for profile in (ROOT / "profiles").iterdir():
        assert yaml.safe_load((profile / "config.yaml").read_text())["rerun-triggers"] == kept
