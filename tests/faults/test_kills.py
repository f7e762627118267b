"""Kills at any moment: the workflow alone, it and all its jobs, or one job; results are those of an undisturbed run.

Elsewhere: a training killed and resumed (tests/checkpoints/test_unfinished.py), downloads killed and resumed
(tests/checkpoints/test_download.py, tests/corpus/test_hub.py), other stages of the smoke configuration killed twice
(tests/workflow/test_workflow.py), jobs of a cluster (tests/cluster).
"""

import os
import random
import signal
import time
from contextlib import suppress

import pytest

from tests.conftest import results_of, snakemake
from tests.faults.tiny import ARGUMENTS, kill, script_processes, start, unlock


def wait(process, seconds):
    """Wait so long, or until the process ends."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)


def first_job(project, process):
    """Wait until a job runs a script, or all is done."""
    while not script_processes(project) and process.poll() is None:
        time.sleep(0.05)


def kill_all(process, number=signal.SIGKILL):
    """Send a signal to the workflow and all its jobs, as a terminal or a scheduler does, if any are left."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def disturb(project, process, how):
    """Kill the workflow, the workflow and its jobs, or a job, with SIGKILL or SIGTERM, and wait for its end."""
    if how == "workflow":
        process.kill()  # its jobs go on: the next run must not trip over them
    elif how == "all":
        kill_all(process)
    elif how == "job":
        kill([*script_processes(project)][-1:])
        wait(process, 2)
        kill_all(process)
    else:
        kill_all(process, signal.SIGTERM)
    process.wait()


def same(project, whole):
    here, there = results_of(whole, "results/tiny"), results_of(project, "results/tiny")
    assert set(there) == set(here)
    assert [name for name in there if there[name] != here[name]] == []


def test_twenty_kills_lose_nothing(tiny, whole):
    chosen = random.Random(0)
    moments = [(chosen.uniform(0, 4), chosen.choice(["workflow", "all", "job", "terminated"])) for _ in range(20)]
    hit = set()
    for seconds, how in moments:
        process = start(tiny)
        first_job(tiny, process)
        wait(process, seconds)
        hit |= set(script_processes(tiny).values())
        disturb(tiny, process, how)
        unlock(tiny)
    snakemake(tiny, "--cores", "2", *ARGUMENTS)
    assert len(hit) >= 4, hit  # stages differ
    same(tiny, whole)


def test_a_job_killed_for_memory_runs_again_by_itself(tiny, whole):
    process = start(tiny, "--retries", "1", *ARGUMENTS)
    first_job(tiny, process)
    kill([*script_processes(tiny)][:1])  # as the kernel does
    assert process.wait() == 0
    assert (tiny / "snakemake.out").read_text().count("Trying to restart job") == 1
    same(tiny, whole)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_workflow_that_is_stopped_leaves_no_lock(tiny, sent):
    process = start(tiny)
    first_job(tiny, process)
    kill_all(process, sent)
    process.wait()
    assert list((tiny / ".snakemake" / "locks").glob("*")) == []
    assert script_processes(tiny) == {}
