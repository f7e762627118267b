"""Kills at any moment: the workflow alone, it and all its jobs, or one job; results are those of an undisturbed run.

Elsewhere: a training killed and resumed (tests/training/test_resumable_run.py), downloads killed and resumed
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


def wait_for_jobs(project, process, number=1):
    """Wait until so many jobs have begun to run a script, or all is done."""
    begun = set()
    while len(begun) < number and process.poll() is None:
        time.sleep(0.05)
        begun |= set(script_processes(project))


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


def same(project, finished):
    here, there = results_of(finished, "results/tiny"), results_of(project, "results/tiny")
    assert set(there) == set(here)
    assert [name for name in there if there[name] != here[name]] == []


def test_twenty_kills_lose_nothing(tiny, finished):
    rng = random.Random(0)
    kinds = ["workflow", "all", "job", "terminated"]
    moments = [(rng.randint(1, 4), rng.uniform(0, 3), rng.choice(kinds)) for _ in range(20)]
    hit = set()
    for jobs, seconds, how in moments:  # after some jobs, not some time: a busy machine would not get beyond the first
        process = start(tiny)
        wait_for_jobs(tiny, process, jobs)
        wait(process, seconds)
        hit |= set(script_processes(tiny).values())
        disturb(tiny, process, how)
        unlock(tiny)
    snakemake(tiny, "--cores", "2", *ARGUMENTS)
    assert len(hit) >= 4, hit  # stages differ
    same(tiny, finished)


def test_a_job_killed_for_memory_runs_again_by_itself(tiny, finished):
    process = start(tiny, "--retries", "1", *ARGUMENTS)
    wait_for_jobs(tiny, process)
    kill([*script_processes(tiny)][:1])  # as the kernel does
    assert process.wait() == 0
    assert (tiny / "snakemake.out").read_text().count("Trying to restart job") == 1
    same(tiny, finished)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_workflow_that_is_stopped_leaves_no_lock(tiny, sent):
    process = start(tiny)
    wait_for_jobs(tiny, process)
    kill_all(process, sent)
    process.wait()
    assert list((tiny / ".snakemake" / "locks").glob("*")) == []
    assert script_processes(tiny) == {}
