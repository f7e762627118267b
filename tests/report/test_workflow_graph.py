"""The drawing of the rules, and the times of the stages."""

import re
from itertools import pairwise

import pytest

from lm_saturation.report.job_times import STAGES
from lm_saturation.report.page_facts import seeds, time_table
from lm_saturation.report.workflow_drawing import GAP, drawing, lines_of, ordered, positions, reduced, rows_of
from lm_saturation_workflow.plan import rule_graph_of
from tests.conftest import ROOT, SMOKE


def test_an_edge_that_a_longer_way_implies_is_left_out():
    graph = {"a": set(), "b": {"a"}, "c": {"a", "b"}, "d": {"a", "c"}, "e": {"a"}}
    assert reduced(graph) == {"a": set(), "b": {"a"}, "c": {"b"}, "d": {"c"}, "e": {"a"}}


def test_stages_lie_below_each_other_and_so_do_readers():
    graph = {"a": set(), "b": {"a"}, "c": {"a"}, "d": {"b", "c"}}
    assert rows_of(graph, {"a": "one", "b": "two", "c": "three", "d": "three"}) == {"a": 0, "b": 1, "c": 2, "d": 3}


def test_rows_are_ordered_so_that_fewer_lines_cross():
    graph = {"a": set(), "b": set(), "c": {"b"}, "d": {"a"}}
    rows = {"a": 0, "b": 0, "c": 1, "d": 1}
    first, second = ordered(lines_of(graph, rows), rows)
    reader = {("a", 0): ("d", 1), ("b", 0): ("c", 1)}
    assert [reader[place] for place in first] == second


def test_places_of_a_row_keep_their_distance_and_lone_lines_are_straight():
    graph = {"a": set(), "b": set(), "c": {"a"}, "d": {"b"}}
    rows = {"a": 0, "b": 0, "c": 1, "d": 2}
    lines = lines_of(graph, rows)
    order = ordered(lines, rows)
    width = {place: 2.0 if place == ("b", 1) else 50.0 for row in order for place in row}
    x = positions(order, lines, width)
    for row in order:
        for left, right in pairwise(row):
            assert x[right] - x[left] >= (width[left] + width[right]) / 2 + GAP - 0.2  # rounded to 0.1
    assert x["b", 0] == x["b", 1] == x["d", 2]
    assert x["a", 0] == x["c", 1]


@pytest.fixture(scope="module")
def paper():
    return rule_graph_of(ROOT / "config" / "paper.yaml")


def test_every_rule_of_a_plan_is_drawn_once(paper):
    svg = drawing(paper)
    assert svg == drawing(paper)
    texts = re.findall(r'text-anchor="middle">([^<]*)<', svg)
    assert sorted(text.split(" ×")[0] for text in texts) == sorted(paper)
    assert {"tokens", "checkpoint_download", "figures", "tables", "claims", "report"} <= set(paper)
    assert not [name for name in paper if name.startswith(("figure_", "table_"))]
    assert all(re.search(rf">{rule['stage']}</text>", svg) for rule in paper.values())


def test_every_rule_leads_to_the_report_or_the_findings(paper):
    reached, waiting = set(), ["report", "findings"]
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting += set(paper[name]["after"]) - reached
    assert reached == set(paper)
    assert "findings" not in paper["report"]["after"]


def test_what_only_bounds_the_disk_is_no_edge(paper):
    assert "download_slot" not in paper
    assert "checkpoint_metrics" not in paper["checkpoint_download"]["after"]


def test_the_plan_of_the_smoke_configuration_has_all_stages():
    assert len({rule["stage"] for rule in rule_graph_of(ROOT / SMOKE[1]).values()}) == len(STAGES)


HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def test_times_are_added_up_by_stage(tmp_path):
    for name, row in {
        "ngrams/ngram_counts/a": "100.5\t0:01:40\t300.0\t1\t1\t1\t1\t1\t1\t90.25",
        "ngrams/ngram_counts/b": "20.5\t0:00:20\t1400.0\t1\t1\t1\t1\t1\t1\t9.75",
        "report/claims": "0.1\t0:00:00\tNA\tNA\tNA\tNA\tNA\tNA\tNA\tNA",  # too short to be measured
        "smoke/report/claims": "9\t0:00:09\t1\t1\t1\t1\t1\t1\t1\t9",  # of another configuration
    }.items():
        path = tmp_path / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{HEAD}{row}\n")
    found = time_table(str(tmp_path))
    assert found["table"]["rows"] == [["ngrams", "2", "100.0", "121.0", "1,400"], ["report", "1", "0.0", "0.1", "0"]]
    assert found["sentence"] == ("3 jobs, 100 s of processor time; 2 min one after the other; peak memory 1,400 MB")
    assert time_table(str(tmp_path / "nowhere")) == {}


def test_seeds_are_found_wherever_they_are():
    config = {"ngrams": {"seeds": [0, 1]}, "suites": {"a": {"models": {"m": {"seed": 3}, "n": {}}}}, "seeded": 1}
    assert list(seeds(config)) == [(("ngrams", "seeds"), "0, 1"), (("suites", "a", "models", "m", "seed"), "3")]
