"""profiles/slurm on a real SLURM of one node: the results of a run on this machine, whatever is killed meanwhile.

Skipped, and the reason is said, where there is no SLURM, its executor plugin is missing, or one is not root:
    apt-get install slurmctld slurmd slurm-client munge
    .venv/bin/pip install -r requirements-cluster.txt
"""

import importlib.util
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml

from tests.cluster.one_node import one_node, run, why_not
from tests.conftest import SMOKE, copy_project, copy_results, heed_interrupts, results_of, snakemake
from tests.workflow.test_workflow import would_run

plugin = importlib.util.find_spec("snakemake_executor_plugin_slurm")
reason = why_not() or (None if plugin else "no executor plugin: pip install -r requirements-cluster.txt")
pytestmark = pytest.mark.skipif(reason is not None, reason=str(reason))

# What differs from a real cluster: no accounts are kept, and neither jobs nor files keep one waiting.
PROFILE = ["--workflow-profile", "profiles/slurm", "--slurm-status-command", "squeue"]
PROFILE += ["--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "5", "--cores", "2"]


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with one_node(tmp_path_factory.mktemp("slurm") / "state"):
        yield


@pytest.fixture
def slurm(node):
    """The SLURM, from which every test's jobs are gone at its end."""
    started.clear()
    yield
    for process in started:
        process.kill()
    run("scancel", "--user=root", check=False)
    wait_for(lambda: not run("squeue", "--noheader").strip())


started = []


def start(project, *arguments):
    """Snakemake in the background, with what it prints in snakemake.out."""
    command = [sys.executable, "-m", "snakemake", *PROFILE, *arguments]
    with (project / "snakemake.out").open("a") as file:
        options = {"cwd": project, "stdout": file, "stderr": subprocess.STDOUT, "preexec_fn": heed_interrupts}
        started.append(subprocess.Popen(command, **options))
    return started[-1]


def printed(project):
    return (project / "snakemake.out").read_text()


def running():
    """The ids of the jobs that run."""
    return run("squeue", "--noheader", "--states=RUNNING", "--format=%i").split()


def wait_for(what, process=None, seconds=900):
    """What `what` gives when it is true. Fails if the process ends before, or the time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        assert process is None or process.poll() is None, "Snakemake ended too early"
        time.sleep(0.3)
    raise AssertionError("nothing happened")


@pytest.mark.timeout(3000)
def test_the_results_are_those_of_a_run_here_whatever_is_killed(slurm, undisturbed, tmp_path):
    kept = ("corpus", "ngrams/python-docs", "checkpoints", "metrics", "tied", "abilities", "causes")  # the rest will do
    project = copy_results(undisturbed, tmp_path / "project", *kept)
    process = start(project, *SMOKE)
    wait_for(lambda: printed(project).count("Finished jobid") >= 5, process)
    cancelled = wait_for(running, process)[-1]
    run("scancel", cancelled)
    wait_for(lambda: "Trying to restart job" in printed(project), process)
    wait_for(lambda: len(running()) >= 2, process)
    process.kill()  # its jobs go on, and the next run starts them again
    process.wait()
    snakemake(project, "--unlock", *SMOKE)
    process = start(project, *SMOKE)
    assert process.wait(2400) == 0, printed(project)[-5000:]
    here, there = results_of(undisturbed), results_of(project)
    assert set(there) == set(here)
    assert [name for name in there if there[name] != here[name]] == []
    assert would_run(project, *SMOKE) == {}
    submitted = set(re.findall(r"SLURM jobid (\d+)", printed(project)))
    finished = printed(project).count("Finished jobid")
    assert len(submitted) < 0.8 * finished  # though some were killed: small ones went in groups


def test_a_gpu_is_asked_for(slurm, undisturbed, tmp_path):
    project = tmp_path / "project"
    shutil.copytree(undisturbed, project)
    config = yaml.safe_load((project / "config" / "smoke.yaml").read_text())
    config["metrics"]["device"] = "cuda"
    (project / "config" / "cuda.yaml").write_text(yaml.safe_dump(config))
    seen = project / "seen"
    script = project / "scripts" / "metrics" / "checkpoint_metrics.py"
    noted = f'import os\nopen({str(seen)!r}, "w").write(os.environ.get("CUDA_VISIBLE_DEVICES", "none"))\n'
    script.write_text(noted + script.read_text())
    target = "results/smoke/metrics/tiny/d16/0/checkpoint_metrics.parquet"
    process = start(project, target, "--configfile", "config/cuda.yaml", "--retries", "0")
    number = wait_for(lambda: re.findall(r"SLURM jobid (\d+)", printed(project)), process)[0]
    request = run("scontrol", "show", "job", number)
    process.wait(900)
    assert "TresPerJob=gres:gpu:1" in request
    assert seen.read_text() in ("0", "1")  # one device, this job's alone
    if not torch.cuda.is_available():
        assert "error: metrics.device is cuda" in printed(project)


def test_a_job_killed_for_memory_gets_more(slurm, tmp_path):
    project = copy_project(tmp_path / "project")
    rules = project / "rules" / "heads.smk"
    text = rules.read_text()
    place = text.index("mem_mb=growing(1000)", text.index("rule loss_expansion"))
    rules.write_text(text[:place] + text[place:].replace("growing(1000)", "growing(300)", 1))
    process = start(project, "results/smoke/heads/loss_expansion.parquet", *SMOKE)
    assert process.wait(900) == 0, printed(project)
    asked = re.findall(r"mem=(\d+)M", run("scontrol", "show", "job", "--oneliner"))
    assert "300" in asked
    assert {"450", "600"} & set(asked)
    assert (project / "results" / "smoke" / "heads" / "loss_expansion.parquet").exists()


def test_termination_of_snakemake_is_no_loss(slurm, tmp_path):
    """SIGINT cancels what was submitted, and the next run goes on."""
    project = copy_project(tmp_path / "project")
    target = ["results/smoke/corpus/tokens/synthetic/words/0.json", *SMOKE]
    process = start(project, *target)
    wait_for(running, process)
    process.send_signal(signal.SIGINT)
    process.wait(300)
    wait_for(lambda: not run("squeue", "--noheader").strip())
    assert list((project / ".snakemake" / "locks").glob("*")) == []
    assert start(project, *target).wait(900) == 0, printed(project)
