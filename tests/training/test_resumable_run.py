"""Killed and resumed: what a training leaves on disk, and what the next one makes of it."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from lm_saturation.training.batch_sampler import BatchSampler
from lm_saturation.training.resumable_run import ResumableRun, TrainingState
from lm_saturation.training.resume import write_state
from tests.training.runs import LATER, MODEL, OPTIONS, STEPS, contents, run_training

KILLS = 6


@pytest.fixture(scope="module")
def processes():
    """Starts real processes that have imported all they need."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lm_saturation.training.train_model", "tests.training.runs"])
    return context


def killed(process, ready):
    """Start a process and kill it once `ready()`; False if it ended before."""
    process.start()
    while process.is_alive() and not ready():
        time.sleep(0.0005)
    if process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    return process.exitcode == -signal.SIGKILL


def test_killed_and_resumed_equals_uninterrupted(tmp_path, corpus, processes):
    """Kills fall between steps, and while a checkpoint or a state is being written."""
    steps, rng = [*range(0, 80, 2), *range(80, 121, 20)], np.random.default_rng(0)
    run_training(tmp_path / "uninterrupted", corpus, steps=steps)
    run = tmp_path / "killed"
    unfinished = run / "unfinished"
    for kill in range(KILLS):
        target = len(list(unfinished.glob("checkpoints/step*"))) + int(rng.integers(2, 6))
        delay, what = rng.uniform(0, 0.02), [".step*.partial", ".state.pt.partial", None][kill % 3]

        def ready(target=target, delay=delay, what=what):
            if len(list(unfinished.glob("checkpoints/step*"))) < target:
                return False
            return any(unfinished.rglob(what)) if what else time.sleep(delay) is None

        assert killed(processes.Process(target=run_training, args=(run, corpus), kwargs={"steps": steps}), ready)
        assert not (run / "0").exists()
    run_training(run, corpus, steps=steps)
    assert contents(run) == contents(tmp_path / "uninterrupted")


def interrupted(folder, corpus, monkeypatch, steps=STEPS, at=16, **more):
    """A run that ends right after it kept step `at`."""
    keep = ResumableRun.keep

    def stop(self, model, state):
        keep(self, model, state)
        if state.step == at:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ResumableRun, "keep", stop)
        with pytest.raises(KeyboardInterrupt):
            run_training(folder, corpus, steps=steps, **more)


def count_steps(monkeypatch):
    """A list that grows by one at every update of a later run."""
    seen, batch = [], BatchSampler.batch
    monkeypatch.setattr(BatchSampler, "batch", lambda self, step: seen.append(step) or batch(self, step))
    return seen


def test_resumed_run_does_no_work_twice(tmp_path, trained, corpus, monkeypatch):
    run = tmp_path / "run"
    interrupted(run, corpus, monkeypatch)
    assert (run / "unfinished" / "state.pt").is_file()
    assert not (run / "0").exists()
    seen = count_steps(monkeypatch)
    run_training(run, corpus)
    assert seen == list(range(16, 30))
    assert contents(run) == contents(trained)


@pytest.mark.parametrize("at", [8, 16, 24])  # the text changes at 15
def test_resumed_run_on_a_text_that_changes_gives_the_same_bytes(tmp_path, corpus, later, monkeypatch, at):
    run_training(tmp_path / "whole", corpus, options=LATER, later=later)
    interrupted(tmp_path / "run", corpus, monkeypatch, at=at, options=LATER, later=later)
    run_training(tmp_path / "run", corpus, options=LATER, later=later)
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


def test_state_of_another_later_text_is_discarded(tmp_path, corpus, later, monkeypatch):
    interrupted(tmp_path / "run", corpus, monkeypatch, options=LATER, later=corpus)
    seen = count_steps(monkeypatch)
    run_training(tmp_path / "run", corpus, options=LATER, later=later)
    assert len(seen) == 30


@pytest.mark.parametrize(
    "change",
    [
        {"model": {**MODEL, "learning_rate": 2e-2}},
        {"options": {**OPTIONS, "batch_size": 5}},
        {"steps": [0, 1, 2, 4, 8, 16, 24, 31]},
    ],
)
def test_state_of_another_configuration_is_discarded(tmp_path, corpus, monkeypatch, change):
    interrupted(tmp_path / "run", corpus, monkeypatch)
    seen = count_steps(monkeypatch)
    run_training(tmp_path / "run", corpus, **change)
    assert seen[0] == 0
    run_training(tmp_path / "fresh", corpus, **change)
    assert contents(tmp_path / "run") == contents(tmp_path / "fresh")


@pytest.mark.parametrize("damage", ["truncated", "empty", "checkpoint gone", "half a checkpoint more"])
def test_damaged_state(tmp_path, trained, corpus, monkeypatch, damage):
    run = tmp_path / "run"
    interrupted(run, corpus, monkeypatch)
    state, checkpoints = run / "unfinished" / "state.pt", run / "unfinished" / "checkpoints"
    if damage == "truncated":
        state.write_bytes(state.read_bytes()[:-500])
    elif damage == "empty":
        state.write_bytes(b"")
    elif damage == "checkpoint gone":
        (checkpoints / "step4").rename(tmp_path / "away")
    else:
        for name in (".step24.partial", "step24"):
            (checkpoints / name).mkdir()
            (checkpoints / name / "model.safetensors").write_bytes(b"half")
    seen = count_steps(monkeypatch)
    run_training(run, corpus)
    assert seen[0] == (16 if damage.startswith("half") else 0)
    assert contents(run / "0") == contents(trained / "0")


@pytest.mark.parametrize("numbers", [30, 300_000])  # PyTorch says it in two ways
def test_a_full_disk_is_an_error_of_the_system(tmp_path, numbers):
    (tmp_path / ".state.pt.partial").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        write_state(tmp_path / "state.pt", "f", {"weights": torch.zeros(numbers)})
    assert list(tmp_path.iterdir()) == []


def test_state_of_a_stranger_runs_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "touched",))

    run = ResumableRun(tmp_path / "unfinished", "f")
    run.checkpoints.mkdir(parents=True)
    torch.save({"fingerprint": "f", "step": 0, "model": Evil()}, run.state_file)
    assert run.restore([0]) == TrainingState()
    assert not (tmp_path / "touched").exists()
