"""The last lines of a terminal, read off an emulated one."""

import fcntl
import io
import logging
import os
import pty
import re
import subprocess
import sys
import termios
import threading
import time

import pyte
import pytest
from rich.console import Console
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_saturation.live import SHOWN, LiveProgress
from tests.conftest import SMOKE, copy_project, heed_interrupts, snakemake

COLUMNS, LINES = 100, 200
TARGET = ["results/smoke/corpus/tokenizers/bpe-1k.json", *SMOKE]
MESSAGES = ["Read the text of python-docs, shard 0", "Make the tokenizer bpe-1k"]
PLAIN = ["--cores", "2", "--forceall", "--quiet", "host", "reason"]


@pytest.fixture
def project(tmp_path):
    return copy_project(tmp_path / "project")


def on_a_terminal(project, *arguments, interrupt_at=None):
    """The screens of a run, one for every piece of output, and the whole output.

    When `interrupt_at` is on the screen, Ctrl-C is pressed.
    """
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (LINES, COLUMNS))
    environment = {**os.environ, "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "snakemake", *arguments]
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
    with subprocess.Popen(command, cwd=project, env=environment, preexec_fn=sit_before_it, **streams):
        os.close(theirs)
        screen = pyte.Screen(COLUMNS, LINES)
        stream, screens, whole = pyte.ByteStream(screen), [], b""
        while piece := read(ours):
            whole += piece
            stream.feed(piece)
            screens.append("\n".join(line.rstrip() for line in screen.display).rstrip())
            if interrupt_at and interrupt_at in screens[-1]:
                os.write(ours, b"\x03")
                interrupt_at = None
    os.close(ours)
    return screens, whole.decode()


def sit_before_it():
    """For a new process: the terminal is its own, so that Ctrl-C reaches it and its children."""
    heed_interrupts()
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def read(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux tells the end
        return b""


def lines_of_jobs(screen):
    return re.findall(r"^0:00:\d\d (.*)$", screen, re.MULTILINE)


def test_what_runs_stands_at_the_foot_and_what_is_done_above(project):
    screens, whole = on_a_terminal(project, *TARGET, *PLAIN)
    seen = "\n\n".join(screens)
    for done, message in enumerate(MESSAGES):
        assert re.search(rf"\n0:00:\d\d {message}\n0:00:\d\d ━+\S* {done} of 2 jobs\n\n", seen)
    assert lines_of_jobs(screens[-1]) == MESSAGES  # one each; the bar is gone
    assert "Finished jobid" not in screens[-1]
    assert "Select jobs" not in screens[-1]
    assert whole.rindex("\x1b[?25h") > whole.rindex("\x1b[?25l")  # the cursor is shown again
    log = next((project / ".snakemake" / "log").iterdir()).read_text()
    assert log.count("Finished jobid") == 2
    assert "\x1b" not in log


def test_a_failed_job_shows_why_and_the_others_go_on(project):
    script = project / "scripts" / "corpus" / "tokenizer.py"
    script.write_text('raise ValueError("of a broken script")\n')
    other = "results/smoke/corpus/text/synthetic/0.parquet"
    screens, _ = on_a_terminal(project, other, *TARGET, *PLAIN)
    assert "Error in rule tokenizer:" in screens[-1]
    assert "\nValueError: of a broken script\n" in screens[-1]
    assert sorted(lines_of_jobs(screens[-1])) == [
        "Read the text of python-docs, shard 0",
        "Read the text of synthetic, shard 0",
    ]
    assert not screens[-1].endswith("jobs")


def test_an_interrupt_leaves_a_clean_terminal(project):
    script = project / "scripts" / "corpus" / "tokenizer.py"
    script.write_text('import time\nprint("asleep", flush=True)\ntime.sleep(600)\n')
    screens, whole = on_a_terminal(project, *TARGET, *PLAIN, interrupt_at="asleep\n")
    assert lines_of_jobs(screens[-1]) == MESSAGES[:1]
    assert whole.rindex("\x1b[?25h") > whole.rindex("\x1b[?25l")


@pytest.mark.parametrize("asked", [["--quiet", "progress"], ["--quiet", "all"], ["--verbose"]])
def test_less_or_more_than_usual_is_snakemakes_own(project, asked):
    _, whole = on_a_terminal(project, *TARGET, "--cores", "2", *asked)
    assert "\x1b[?25l" not in whole
    assert (project / TARGET[0]).exists()


def test_a_log_has_plain_lines(project):
    printed = snakemake(project, *TARGET, *PLAIN, env={**os.environ, "FORCE_COLOR": "1"})
    assert "\x1b" not in printed
    assert [line for line in MESSAGES if re.search(rf"^Job \d+: {line}$", printed, re.MULTILINE)] == MESSAGES
    assert "2 of 2 steps (100%) done" in printed


PLANNED = {"plan": ["--dry-run"], "plan_of_all": ["--dry-run", "--quiet", "all"], "counts": ["--dry-run", "--quiet"]}
QUIET = {
    "run": [],
    "host": ["--quiet", "host", "reason"],
    "all": ["--quiet", "all"],
    "progress": ["--quiet", "progress"],
}


PLAIN_PROFILE = ["--workflow-profile", "none", "--scheduler", "greedy"]  # without the plugin


@pytest.mark.parametrize("asked", [*PLANNED.values(), *QUIET.values()], ids=[*PLANNED, *QUIET])
def test_what_is_not_on_a_terminal_is_what_snakemake_prints(project, asked):
    target = ["results/smoke/corpus/text/python-docs/0.parquet", *SMOKE, "--cores", "1", "--forceall", *asked]
    ours, plain = (without_times(snakemake(project, *target, *profile)) for profile in ([], PLAIN_PROFILE))
    assert ours == plain
    assert ours or "all" in asked


def without_times(text):
    """What Snakemake printed, without what differs from run to run."""
    text = re.sub(r"^Using workflow specific profile .*\n", "", text, flags=re.MULTILINE)
    return re.sub(
        r"\[.*\d\d:\d\d:\d\d \d{4}\]|(Date|Workflow ID|Command|Elapsed time|Complete log\(s\)): .*|Took: .*", "", text
    )


@pytest.fixture
def progress():
    """Live lines that write to a terminal, which is read all the time: one that is full blocks who writes."""
    ours, theirs = pty.openpty()
    reader = threading.Thread(target=lambda: all(iter(lambda: read(ours), b"")), daemon=True)
    reader.start()
    with open(theirs, "w") as terminal:
        live = LiveProgress(terminal)
        yield live
        live.close()
        live.console.file.close()
    reader.join()
    os.close(ours)


def lines_of(progress):
    reader = Console(file=io.StringIO(), width=60)
    reader.print(progress)
    return reader.file.getvalue().splitlines()


def test_of_hundreds_of_jobs_a_few_are_shown(progress):
    progress.started = time.monotonic()

    def tell(event, **fields):
        progress.shows(logging.makeLogRecord({"event": event, **fields}))

    for job in range(300):
        tell(LogEvent.JOB_INFO, jobid=job, rule_msg=f"[red]Job[/red] {job} " + "x" * 100, rule_name="rule")
    tell(LogEvent.JOB_INFO, jobid=300, rule_msg=None, rule_name="without_a_message")
    assert len(lines_of(progress)) == SHOWN + 2
    assert lines_of(progress)[SHOWN].strip() == f"and {301 - SHOWN} more"
    for job in range(SHOWN, 300):
        tell(LogEvent.JOB_FINISHED, job_id=job)
    tell(LogEvent.JOB_ERROR, jobid=0)
    tell(LogEvent.PROGRESS, done=292, total=500)
    lines = lines_of(progress)
    assert len(lines) == SHOWN + 1
    assert lines[0].startswith("0:00:00 [red]Job[/red] 1 xx")
    assert lines[0].endswith("x…")
    assert {len(line) for line in lines[: SHOWN - 1]} == {60}
    assert lines[SHOWN - 1] == "0:00:00 without_a_message"
    assert lines[SHOWN].endswith("292 of 500 jobs")
