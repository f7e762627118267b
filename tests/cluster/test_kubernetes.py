"""The pods that profiles/kubernetes asks for, checked against the API's schema; their commands run as processes here.

There is no Kubernetes: see fake_kubernetes.py, and docs/clusters.md for what that leaves untried.
"""

import importlib.util
import shutil
import subprocess

import pytest
import yaml

from tests.cluster.fake_kubernetes import FakeKubernetes, faults_of
from tests.conftest import ROOT, copy_project, snakemake
from tests.faults.tiny import RESULTS, configure

plugins = [f"snakemake_{name}" for name in ("executor_plugin_kubernetes", "storage_plugin_fs")]
missing = [name for name in plugins if importlib.util.find_spec(name) is None]
missing += [name for name in ("git", "rsync") if shutil.which(name) is None]
needs_plugins = pytest.mark.skipif(bool(missing), reason=f"{missing} not found; see requirements-cluster.txt")
PROFILE = ["--workflow-profile", "profiles/kubernetes", "--latency-wait", "5", "--retries", "0"]


@pytest.fixture
def api():
    with FakeKubernetes() as api:
        yield api


def pods(api):
    """The container of every pod, and the rest of the pod."""
    specs = [job["spec"]["template"]["spec"] for job in api.jobs.values()]
    return [(spec["containers"][0], spec) for spec in specs]


def run(api, folder, target, **sections):
    """Snakemake on a checkout of the project, whose files it hands to the pods; the storage, and what it printed."""
    project = configure(copy_project(folder / "project"), **sections)
    for command in (["init", "--quiet"], ["add", "."]):
        subprocess.run(["git", *command], cwd=project, check=True)
    storage = folder / "storage"
    arguments = [*PROFILE, "--default-storage-prefix", str(storage), target, "--configfile", "config/tiny.yaml"]
    printed = snakemake(project, *arguments, env=api.environment(folder), check=False)
    return storage, printed + "".join(end.stdout + end.stderr for end in api.ends.values())


@needs_plugins
def test_pods_fit_the_api_and_their_commands_run(api, tmp_path):
    target = f"{RESULTS}/corpus/tokens/synthetic/words/0.json"
    storage, printed = run(api, tmp_path, target)
    assert api.faults == []
    assert (storage / target).exists(), printed
    for container, spec in pods(api):
        assert container["image"] == "small-lm-saturation:latest"
        assert {"mountPath": "/work", "name": "saturation"} in container["volumeMounts"]
        assert {"name": "saturation", "persistentVolumeClaim": {"claimName": "saturation"}} in spec["volumes"]
        assert set(container["resources"]["requests"]) == {"cpu", "memory", "ephemeral-storage"}  # no GPU
        assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"]
    memory = {container["resources"]["requests"]["memory"] for container, _ in pods(api)}
    assert memory == {"1000M", "2000M", "4000M"}  # of corpus, tokens and tokenizer


@needs_plugins
def test_a_gpu_is_asked_for_where_a_rule_needs_one(api, tmp_path):
    suite = yaml.safe_load((ROOT / "config" / "smoke.yaml").read_text())["suites"]["tiny"]
    suite |= {"device": "cuda", "corpus": "synthetic", "tokenizer": "words"}
    _, printed = run(api, tmp_path, f"{RESULTS}/checkpoints/tiny/d16/training.parquet", suites={"tiny": suite})
    assert api.faults == []
    asking = [pod for pod in pods(api) if "nvidia.com/gpu" in pod[0]["resources"]["requests"]]
    assert len(asking) == 1, printed
    container, spec = asking[0]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert "checkpoint_train" in container["args"][1]
    assert spec["tolerations"][0]["key"] == "nvidia.com/gpu"


def test_the_schema_finds_faults():
    """The check of the checks."""
    requests = {"cpu": "1 core", "nvidia.com/gpu": "1"}
    container = {"name": "c", "image": 5, "resources": {"requests": requests}, "volumeMounts": []}
    pod = {"containers": [container], "volumes": [], "new": 1}
    found = " ".join(faults_of("jobs", {"metadata": {"name": "A_b"}, "spec": {"template": {"spec": pod}}}))
    for part in ("image", "1 core", "requests must be limits", "is no name", "'new' was unexpected"):
        assert part in found
