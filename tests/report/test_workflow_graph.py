"""The drawing of the rules, and the times of the stages."""

import re
from dataclasses import replace

import pytest

from scripts.report.page_facts import seeds, time_table
from scripts.report.workflow_graph import crossings, drawing, lines_of, ordered, reduced, rows_of, rule_graph
from scripts.workflow.plan import Planned, plan
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
    near = {("a", 0): [("d", 1)], ("b", 0): [("c", 1)], ("c", 1): [("b", 0)], ("d", 1): [("a", 0)]}
    assert crossings([[("a", 0), ("b", 0)], [("c", 1), ("d", 1)]], near) == 1
    assert crossings(ordered(lines_of(graph, rows), list(rows.items())), near) == 0


def job(rule, *after, outputs=("file",)):
    return Planned(rule, {}, frozenset(), frozenset(outputs), "", 1, {}, False, frozenset(after), None)


def test_what_only_bounds_the_disk_is_no_edge():
    jobs = [job("checkpoint_download"), job("checkpoint_metrics", 0), job("checkpoint_turn", 1)]
    jobs += [job("figure_2", 1), job("table_1", 1), replace(job("figures", 3), outputs=frozenset(["figures"]))]
    graph, stage, counts = rule_graph(jobs)
    assert graph["checkpoint_metrics"] == {"checkpoint_download"}
    assert "checkpoint_turn" not in graph
    assert graph["figures"] == graph["tables"] == {"checkpoint_metrics"}
    assert (counts["figures"], stage["figures"]) == (1, "report")


@pytest.fixture(scope="module")
def paper():
    return rule_graph(plan(ROOT / "config" / "paper.yaml"))


def test_every_rule_of_a_plan_is_drawn_once(paper):
    graph, stage, counts = paper
    svg = drawing(graph, stage, counts)
    assert svg == drawing(graph, stage, counts)
    texts = re.findall(r'text-anchor="middle">([^<]*)<', svg)
    assert sorted(text.split(" ×")[0] for text in texts) == sorted(graph)
    assert {"tokens", "checkpoint_download", "figures", "tables", "claims", "report"} <= set(graph)
    assert not [name for name in graph if name.startswith(("figure_", "table_"))]
    assert all(re.search(rf">{name}</text>", svg) for name in set(stage.values()))


def test_every_rule_leads_to_the_report_or_the_findings(paper):
    graph, *_ = paper
    reached, waiting = set(), ["report", "findings"]
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting += graph[name] - reached
    assert reached == set(graph)


def test_the_plan_of_the_smoke_configuration_has_all_stages():
    assert len(set(rule_graph(plan(ROOT / SMOKE[1]))[1].values())) == 9


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
    assert found["sentence"] == (
        "3 jobs, 100 s of processor time; 2 min if one had run after another; the largest took 1,400 MB of memory"
    )
    assert time_table(str(tmp_path / "nowhere")) == {}


def test_seeds_are_found_wherever_they_are():
    config = {"ngrams": {"seeds": [0, 1]}, "suites": {"a": {"models": {"m": {"seed": 3}, "n": {}}}}, "seeded": 1}
    assert list(seeds(config)) == [(("ngrams", "seeds"), "0, 1"), (("suites", "a", "models", "m", "seed"), "3")]
