"""What rules ask a cluster for, and that the profiles know every rule."""

from types import SimpleNamespace

import pytest
import yaml

from lm_saturation.config import read_experiment
from lm_saturation.io.tables import write_tables
from lm_saturation_workflow.plan import ROOT, plan
from lm_saturation_workflow.resources import fetched_mb, gpus, growing, trained_mb, written
from tests.config.defaults import CONFIG, changed
from tests.config.test_suites import HUB

ON_GPUS = {"checkpoint_metrics", "head_states", "head_rank_sweep", "bottleneck_bound"}
ON_GPUS |= {"ability_evaluation", "tied_training"}
SMALL = 15  # minutes; jobs that ask for no more go several in a submission


def profile(name):
    return yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())


@pytest.fixture(scope="module")
def plans():
    """The jobs of configurations that have every rule between them."""
    return [job for name in ("smoke", "paper") for job in plan(ROOT / "config" / f"{name}.yaml")]


def test_a_later_attempt_gets_more():
    asked = growing(1000)
    assert [asked(None, attempt=attempt) for attempt in (1, 2, 3)] == [1000, 1500, 2000]
    assert written(8)(None, input=SimpleNamespace(size_mb=10.6)) == 1084


def test_a_cpu_asks_for_no_gpu():
    assert (gpus("cpu"), gpus("cuda")) == (None, 1)  # 0 would be a request for some clusters


def test_disk_of_a_training():
    experiment = read_experiment(
        changed(
            "suites/s",
            CONFIG["suites"]["mini"]
            | {
                "models": {"m": {"width": 96, "layers": 1, "attention_heads": 1, "learning_rate": 0.1}},
                "tokenizer": "bpe-4k",
                "steps": [0, 1],
            },
        )
    )
    assert trained_mb(experiment, "s", "m") == 1000 + 4 * (12 * 96**2 + 2 * 96 * 4096) * (2 + 3) // 10**6


def test_disk_of_a_span_is_what_the_audit_says(tmp_path):
    rows = {"step": [0, 10, 20], "weight_bytes": [5_000_000, 6_000_000, 7_000_000], "weight_files": 1}
    rows |= {
        "suite": "s",
        "model": "m",
        "revision": "r",
        "commit": "c",
        "format": "bin",
        "sha256": "",
        "shared_files": 0,
    }
    rows |= {"duplicate_of": [None] * 3, "status": "ok"}
    write_tables("checkpoint_audit", tmp_path / "audit.parquet", [rows])
    audit = str(tmp_path / "audit.parquet")
    for steps, span, expected in (([0, 10], "0", 1011), ("all", "0", 1011), ("all", "1", 1007)):
        experiment = read_experiment(changed("suites/s", HUB | {"steps": steps, "span": 20, "last_step": 20}))
        assert fetched_mb(experiment, "s", span, audit) == expected
    with pytest.raises(FileNotFoundError):
        fetched_mb(experiment, "s", "0", "not there")


def test_every_rule_asks_for_memory_and_time(plans):
    targets = {"all", "figures", "tables", "download_slot"}
    bare = {job.rule for job in plans if not {"mem_mb", "runtime"} <= set(job.resources)} - targets
    assert bare == set()
    defaults = profile("slurm")["default-resources"]
    assert defaults == {key: profile("kubernetes")["default-resources"][key] for key in defaults}
    assert set(defaults) == {"mem_mb", "runtime", "disk_mb"}


def test_what_needs_a_network_runs_where_snakemake_runs(plans):
    local = {job.rule for job in plans if job.local}
    assert {"corpus_hub", "tokenizer_hub", "checkpoint_audit", "checkpoint_download"} <= local
    assert not {"corpus", "tokens", "checkpoint_metrics", "ngram_counts"} & local


def test_small_jobs_go_several_in_a_submission(plans):
    groups = profile("slurm")["groups"] | {job.rule: job.group for job in plans if job.group}
    small = {job.rule for job in plans if not job.local and job.resources.get("runtime", SMALL + 1) <= SMALL}
    assert small - set(groups) == set()  # new ones belong there, or among the local rules
    assert set(groups) <= {job.rule for job in plans}
    assert set(profile("slurm")["group-components"]) <= set(groups.values())
    assert not {rule for rule in groups if any(job.rule == rule and job.local for job in plans)}


def test_gpus_are_asked_for_where_the_config_says_cuda(plans):
    asking = {job.rule for job in plans if "gpu" in job.resources}
    assert asking == ON_GPUS


def test_the_gpu_profile_asks_for_gpus_one_at_a_time(tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(profile("gpu")["config"]))
    jobs = plan(ROOT / "config" / "smoke.yaml", tmp_path / "config.yaml")
    asking = {job.rule for job in jobs if job.resources.get("gpu") == 1}
    assert asking == {*ON_GPUS, "ngram_spectrum", "offset_intervention"}
    assert profile("gpu")["resources"] == {"gpu": 1}
