"""Any configuration is planned by Snakemake or refused in one line; never does a user see a traceback."""

import re

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lm_saturation_workflow.plan import plan
from tests.config.defaults import CONFIG, places, replaced
from tests.config.strategies import anything, likely


@settings(deadline=None, max_examples=40)
@given(st.sampled_from([place for place in places(CONFIG) if place[0] != "pathvars"]), anything | likely)
def test_any_config_is_planned_or_refused_in_one_line(tmp_path_factory, place, value):
    """All but `pathvars`, which Snakemake itself reads, and refuses, before the Snakefile."""
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    path.write_text(yaml.safe_dump(replaced(place, value)))
    try:
        assert {job.rule for job in plan(path)} >= {"report", "claims"}
    except SystemExit as refusal:
        assert re.fullmatch(r"config: [^\n]+", str(refusal))  # noqa: PT017
