"""Suites of config/ on a hub whose repositories and revisions are named as their publishers name them."""

import pandas as pd
import pytest
import yaml

from lm_saturation.config import read_experiment
from lm_saturation_workflow.project import with_defaults
from tests.checkpoints.hub_client import Client, whole
from tests.conftest import RESOURCES, ROOT

EARLY = [0, *(2**power for power in range(10))]
LAYOUTS = {
    # github.com/EleutherAI/pythia, README: pythia-[size]-seed[num], 154 branches; `main` of the seeds has no weights
    "polypythias/polypythias/160m-seed7": (
        "EleutherAI/pythia-160m-seed7",
        {f"step{step}": step for step in (*EARLY, 1000, 2000, 140000, 143000)},
    ),
    # the same, on version 0: branches are renamed as if every batch had 2,097,152 tokens
    "polypythias/large-batches/160m": (
        "EleutherAI/pythia-160m-v0",
        {f"step{step}": step for step in (*EARLY, 1000, 2000, 140000, 143000)},
    ),
    # github.com/mcleish7/gemstone-scaling-laws, benchmarks/fineweb_loss_plot.py: every 477 steps, eight digits
    "gemstones/gemstones/256x23": (
        "tomg-group-umd/Gemstone-256x23",
        {f"step_{step:08}": step for step in (477, 954, 2385, 76320, 80613, 81090)},
    ),
    # its model card: every 240,000 steps
    "smollm2-hub/smollm2/135M": (
        "HuggingFaceTB/SmolLM2-135M-intermediate-checkpoints",
        {f"step-{step}": step for step in (240000, 480000, 1920000)},
    ),
}


def suite_of(name):
    config, suite, model = name.split("/")
    file = ROOT / "config" / f"{config}.yaml"
    experiment = read_experiment(with_defaults(yaml.safe_load(file.read_text(encoding="utf-8"))))
    return experiment.suites[suite], model


@pytest.mark.parametrize("name", LAYOUTS)
def test_revisions_are_found_and_the_last_span_is_fetched(hub, tmp_path, name):
    suite, model = suite_of(name)
    repository, branches = LAYOUTS[name]
    assert suite.repository.format(model=model) == repository
    published = hub.add("models", repository, {".gitattributes": b""})
    for branch, step in branches.items():
        published.commit(whole(step), branch)
    client = Client(tmp_path, hub, model, repository=suite.repository, revision=suite.revision)
    rows = client.audit()
    assert {row["revision"]: row["step"] for row in rows} == branches
    assert {row["status"] for row in rows} == {"ok"}
    wanted = suite.span_steps(suite.spans()[-1])
    there = [step for step in branches.values() if wanted.steps is None or step in wanted.steps]
    asked = wanted.steps and there
    files = client.download(suite.spans()[-1], steps=asked, first=wanted.first, last=wanted.last)
    assert len(there) >= 2
    weights = {name: data for name, data in files.items() if name.endswith("model.safetensors")}
    assert weights == {f"step{step}/model.safetensors": b"weights %d" % step for step in there}


def test_all_seeds_of_all_sizes():
    suite, _ = suite_of("polypythias/polypythias/160m")
    sizes = ("14m", "31m", "70m", "160m", "410m")
    assert suite.models == [f"{size}{seed}" for size in sizes for seed in ("", *(f"-seed{n}" for n in range(1, 10)))]


def test_every_gemstone_is_one_whose_losses_are_published():
    suite, _ = suite_of("gemstones/gemstones/256x23")
    losses = pd.read_csv(RESOURCES / "gemstones.csv.xz")
    narrow = set(losses.model[losses.width < 1000])
    assert narrow < set(suite.models) < set(losses.model)
    assert set(suite.step_list) == set(losses.step) - {83475}  # which is main
    assert (losses.step * suite.tokens_per_step == losses.tokens_assuming_4194304_per_step).all()
