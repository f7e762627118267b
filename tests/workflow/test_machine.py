"""What is asked of the machine before the first job."""

import shutil
import subprocess
import sys
from collections import namedtuple
from types import SimpleNamespace

import pytest

from lm_saturation.config import read_experiment
from lm_saturation.devices import has_gpu
from lm_saturation.errors import InputError
from lm_saturation_workflow import machine
from lm_saturation_workflow.project import with_defaults
from tests.conftest import SMOKE, copy_project, snakemake

Usage = namedtuple("Usage", "total used free")


def job(rule, gpu=None, **wildcards):
    return SimpleNamespace(rule=rule, wildcards=wildcards, resources={"gpu": gpu} if gpu else {})


@pytest.fixture
def no_driver(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)


def test_a_gpu_that_is_not_there_is_named_by_its_keys(no_driver, tmp_path):
    jobs = [job("corpus"), job("head_states", 1), job("checkpoint_train", 1, suite="mini", model="d8")]
    expected = r"^heads\.device, suites\.mini\.device are cuda, but there is no GPU here that PyTorch can use; .* cpu$"
    with pytest.raises(InputError, match=expected):
        machine.check_gpu(jobs, tmp_path)


@pytest.mark.parametrize("sign", ["nvidia0", "nvidia7", "kfd", "dxg"])
def test_a_gpu_of_any_kind_will_do(no_driver, tmp_path, sign):
    (tmp_path / sign).touch()
    machine.check_gpu([job("checkpoint_metrics", 1)], tmp_path)


def test_nobody_asks_for_a_gpu(no_driver, tmp_path):
    (tmp_path / "nvidiactl").touch()
    machine.check_gpu([job("checkpoint_metrics")], tmp_path)
    with pytest.raises(InputError, match=r"^metrics\.device is cuda"):
        machine.check_gpu([job("checkpoint_metrics", 1)], tmp_path)


def test_a_short_disk(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 0, 500 * 10**6))
    machine.check_disk(500, tmp_path / "results")
    with pytest.raises(InputError, match=r"^about 501 MB will lie in \S+, and 500 MB are free there: make room, "):
        machine.check_disk(501, tmp_path / "results")


def experiment(**changes):
    """The default configuration, with other sections."""
    return read_experiment(with_defaults(changes))


def test_trained_and_fetched_checkpoints_count():
    suite = {
        "source": "train",
        "tokenizer": "bpe-4k",
        "models": {"small": {"width": 104, "layers": 1, "attention_heads": 1, "learning_rate": 0.001}},
        "steps": [0, 1],
    }
    mini = experiment(suites={"mini": suite}, tokenizers={"bpe-4k": {"vocabulary_size": 10**5}})
    train = job("checkpoint_train", suite="mini", model="small")
    # 20.8 million parameters of 4 bytes, in two checkpoints and a state of three; 12 * 104^2 come besides
    assert machine.needed_mb(mini, [train]) == 418
    assert machine.needed_mb(mini, [train, job("corpus"), job("tokens")]) == 418 + 2 * machine.MB_A_JOB


def test_checkpoints_found_on_disk_are_not_fetched():
    suite = {"source": "local", "path": "runs/{model}", "corpus": "python-docs", "tokenizer": "bpe-4k", "models": ["m"]}
    local = experiment(suites={"local": suite})
    assert machine.needed_mb(local, [job("checkpoint_download", suite="local", model="m")]) == machine.MB_A_JOB


def test_every_rule_that_may_ask_for_a_gpu_has_its_key(project):
    asking = [
        rule.split(":")[0].strip()
        for path in (project / "rules").glob("*.smk")
        for rule in path.read_text().split("\nrule ")[1:]
        if "gpus(" in rule
    ]
    assert sorted(machine.DEVICES) == sorted(asking)


def test_nothing_runs_without_the_gpu_that_is_asked_for(project):
    if has_gpu():
        pytest.skip("there is a GPU here")
    output = snakemake(project, "--cores", "1", *SMOKE, "--config", "metrics={device: cuda}", check=False)
    assert "error: metrics.device is cuda, but there is no GPU here that PyTorch can use; allowed here is cpu" in output
    assert "Traceback" not in output
    assert not (project / "results").exists()
    assert not list((project / ".snakemake" / "locks").glob("*"))


def test_a_read_only_clone_is_one_line_and_another_folder_will_do(tmp_path):
    project = copy_project(tmp_path / "project")
    dry = f"{sys.executable} -m snakemake --dry-run --cores 1 --quiet all"
    script = f"mount --bind {project} {project} && mount -o remount,ro,bind {project} && cd {project} && "
    inside = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    if not shutil.which("unshare") or subprocess.run([*inside, f"{script} true"], check=False).returncode:
        pytest.skip("nothing can be mounted read-only here")
    here = subprocess.run([*inside, script + dry], check=False, capture_output=True, text=True)
    message = f"error: {project} cannot be written to; for results and records, name another: --directory"
    assert message in (here.stdout + here.stderr).splitlines()
    assert "Traceback" not in here.stdout + here.stderr
    elsewhere = subprocess.run([*inside, f"{script}{dry} --directory {tmp_path}/out"], check=False, capture_output=True)
    assert elsewhere.returncode == 0


def test_results_behind_a_link_that_leads_nowhere(tmp_path):
    (tmp_path / "results").symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match=r"results: a link that leads nowhere; make \S+gone, or remove the link$"):
        machine.check_disk(1, str(tmp_path / "results" / "smoke"))
    (tmp_path / "gone").mkdir()
    machine.check_disk(1, str(tmp_path / "results" / "smoke"))
