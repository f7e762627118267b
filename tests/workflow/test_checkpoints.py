"""Suites in the whole workflow: fetched span by span from a hub here, found on disk, trained, measured, deleted."""

import subprocess
import sys
import threading
import time

import pytest
import torch
import yaml
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from lm_saturation.io.tables import read_table
from tests.checkpoints.tiny import files_of, write_files
from tests.conftest import copy_project, snakemake
from tests.hub_server import HubServer
from tests.workflow.test_workflow import would_run

STEPS = [0, 10, 20, 30, 40, 50, 60]
SUITE = {
    "source": "hub",
    "repository": "owner/tiny-{model}",
    "revision": "step{step}",
    "corpus": "python-docs",
    "tokenizer": "bpe-1k",
    "models": ["16"],
    "tokens_per_step": 1000,
    "sequence_length": 32,
    "steps": [0, {"first": 10, "last": 60, "every": 10}],
    "span": 20,
    "bad_checkpoints": "flag",
}
TARGETS = ["results/hub/metrics/it/saturation.parquet", "results/hub/abilities/ability_saturation.parquet"]


def checkpoint(step):
    """The files of a random model; the last one is the same as the one before."""
    torch.manual_seed(min(step, 50))
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 32}
    config = GPTNeoXConfig(vocab_size=1000, max_position_embeddings=32, bos_token_id=0, eos_token_id=0, **sizes)
    return files_of(GPTNeoXForCausalLM(config))


def configured(project, prefetch=1, **changes):
    """A config file for the suite, and the arguments that name it."""
    config = yaml.safe_load((project / "config" / "smoke.yaml").read_text())
    config["pathvars"] = {"results": "results/hub", "logs": "logs/hub"}
    config["suites"] = {"it": SUITE | changes}
    config["checkpoints"] = {"suites": ["it"], "prefetch": prefetch}
    config["heads"]["models"] = ["it/16"]
    config["causes"]["training"]["models"] = []
    config["causes"]["head_or_trunk"]["models"] = []
    config["scaling"]["suites"] = ["it"]
    config["abilities"] |= {"suites": ["it"], "num_fewshot": [0], "tasks": ["cloze"]}
    config["metrics"] |= {"unargmaxable": False, "word_perplexity": None}
    path = project / "config" / "hub.yaml"
    path.write_text(yaml.safe_dump(config))
    return [*TARGETS, "--configfile", str(path)]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A copy of the project in which the suite was measured, the most spans that lay on disk, and the hub."""
    project = copy_project(tmp_path_factory.mktemp("hub") / "project")
    with HubServer() as hub:
        repository = hub.add("models", "owner/tiny-16", checkpoint(60))
        for step in STEPS:
            repository.commit(checkpoint(step), f"step{step}")
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *configured(project)]
        environment = hub.environment(project / "cache")
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        with subprocess.Popen(command, cwd=project, env=environment, **pipes) as process:
            printed = []
            reader = threading.Thread(target=lambda: printed.append(process.stdout.read()))
            reader.start()
            seen = set()
            while process.poll() is None:
                seen.add(spans_on_disk(project))
                time.sleep(0.02)
            reader.join()
        assert process.returncode == 0, printed[0]
        yield project, seen, hub


def spans_on_disk(project):
    """The spans whose weights lie there, whole or not."""
    folder = project / "results" / "hub" / "checkpoints" / "it" / "16"
    found = [*folder.glob("*/step*"), *folder.glob(".partial/*/step*")]
    return frozenset(path.parent.name for path in found)


def test_every_checkpoint_is_measured_and_duplicates_are_marked(measured):
    project, _, _ = measured
    folders = (project / "results" / "hub" / "metrics" / "it" / "16").iterdir()
    tables = [read_table("checkpoint_metrics", folder / "checkpoint_metrics.parquet").to_pylist() for folder in folders]
    rows = {row["step"]: row for table in tables for row in table}
    assert sorted(rows) == STEPS
    assert [rows[step]["duplicate_of"] for step in STEPS] == [None] * 5 + [60, 50]
    assert {row["sample_sha256"] for row in rows.values()} == {rows[0]["sample_sha256"]}
    assert rows[30]["tokens"] == 30000
    saturation = read_table("saturation", project / TARGETS[0]).to_pylist()
    assert {row["checkpoints"] for row in saturation} == {5}  # without the two of which nobody knows what they are


def test_no_more_spans_lie_on_disk_than_the_config_says(measured):
    project, seen, _ = measured
    assert max(map(len, seen)) == 1
    assert frozenset().union(*seen) == {"0", "1", "2", "3"}
    assert spans_on_disk(project) == frozenset()


def test_every_weight_file_came_once(measured):
    _, _, hub = measured
    assert len(hub.requests("GET", "/storage/")) == len(STEPS)  # steps 50 and 60 lie in different spans


def test_every_checkpoint_was_asked_before_it_went(measured):
    project, _, _ = measured
    folders = (project / "results" / "hub" / "abilities" / "it" / "16").iterdir()
    rows = [
        row for folder in folders for row in read_table("ability_scores", folder / "ability_scores.parquet").to_pylist()
    ]
    assert sorted({row["step"] for row in rows}) == STEPS
    hashes = {row["step"]: row["source"].split()[-1] for row in rows}
    assert len(set(hashes.values())) == len(STEPS) - 1
    assert hashes[50] == hashes[60]  # the same weights


def test_nothing_runs_again(measured):
    project, _, _ = measured
    assert would_run(project, *configured(project)) == {}
    assert set(would_run(project, *configured(project, prefetch=3))) == {"download_slot"}  # empty files


def test_a_new_step_runs_its_span_alone(measured):
    project, _, _ = measured
    steps = [*SUITE["steps"], 25]
    changed = would_run(project, *configured(project, steps=steps))
    once = ("checkpoint_download", "checkpoint_metrics", "ability_evaluation", "download_slot")
    assert changed == dict.fromkeys([*once, "saturation", "ability_saturation"], 1)


def test_heads_of_a_downloaded_model_fetch_its_last_span_alone(measured):
    project, _, hub = measured
    target = "results/hub/heads/it/16/bottleneck_bound.parquet"
    arguments = ["--cores", "2", target, *configured(project)[len(TARGETS) :]]
    assert would_run(project, *arguments[2:])["checkpoint_download"] == 1
    snakemake(project, *arguments, env=hub.environment(project / "cache"))
    rows = read_table("bottleneck_bound", project / target).to_pandas()
    assert set(rows.step) == {60}
    assert rows["rank"].max() == 16
    assert not spans_on_disk(project)


def test_a_suite_on_disk_is_measured_where_it_lies(tmp_path):
    project = copy_project(tmp_path / "project")
    for step in (100, 200):
        write_files(tmp_path / "runs" / "a" / f"checkpoint-{step}", checkpoint(step % 7))
    before = {path: path.read_bytes() for path in (tmp_path / "runs").rglob("*.*")}
    local = {"source": "local", "path": str(tmp_path / "runs" / "{model}" / "checkpoint-{step}"), "models": ["a"]}
    kept = {key: SUITE[key] for key in ("corpus", "tokenizer", "sequence_length")}
    arguments = configured(project)
    config = yaml.safe_load((project / "config" / "hub.yaml").read_text())
    config["suites"]["it"], config["heads"]["models"] = local | kept, ["it/a"]
    (project / "config" / "hub.yaml").write_text(yaml.safe_dump(config))
    snakemake(project, "--cores", "2", *arguments)
    metrics = project / "results" / "hub" / "metrics" / "it" / "a" / "0" / "checkpoint_metrics.parquet"
    assert read_table("checkpoint_metrics", metrics)["step"].to_pylist() == [100, 200]
    assert {path: path.read_bytes() for path in (tmp_path / "runs").rglob("*.*")} == before
    assert would_run(project, *arguments) == {}
    write_files(tmp_path / "runs" / "a" / "checkpoint-200", checkpoint(5))
    assert {"checkpoint_audit", "checkpoint_download", "checkpoint_metrics"} <= set(would_run(project, *arguments))
