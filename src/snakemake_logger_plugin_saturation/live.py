"""The last lines of a terminal: what runs now and how much is done, below all messages."""

import logging
import os
import threading
import time
from datetime import timedelta
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from snakemake_interface_logger_plugins.common import LogEvent

SHOWN = 8  # jobs on the screen: a cluster may run hundreds
REPLACED = (LogEvent.JOB_STARTED, LogEvent.JOB_INFO, LogEvent.JOB_FINISHED, LogEvent.PROGRESS)
SELECTING = "Select jobs to execute..."  # which has no event


class LiveProgress:
    """A line for each job that runs, with its time, and a bar of all jobs; a job that is done leaves one line above.

    Parameters
    ----------
    stream
        The terminal.
    no_color
        Write no colours.

    """

    def __init__(self, stream: TextIO, no_color: bool = False) -> None:
        terminal = os.fdopen(os.dup(stream.fileno()), "w")  # which stays when the streams are taken
        self.console = Console(file=terminal, no_color=no_color or None)
        self.live: Live | None = None  # from when the jobs of the run are counted
        self.running: dict[int, tuple[float, str]] = {}  # by job: when it started, s, and its message
        self.done = self.total = 0
        self.streams: dict[int, int] = {}  # copies of those that were taken
        self.reader: threading.Thread | None = None

    def shows(self, record: logging.LogRecord) -> bool:
        """Take note of jobs that start, end or fail. True if the lines of Snakemake about it are not needed."""
        event: dict[str, Any] = record.__dict__
        match event.get("event"):
            case LogEvent.RUN_INFO if self.live is None:
                self.start(event["stats"]["total"])
            case LogEvent.JOB_INFO:
                self.running[event["jobid"]] = time.monotonic(), event["rule_msg"] or event["rule_name"]
            case LogEvent.JOB_FINISHED if job := self.running.pop(event["job_id"], None):
                self.console.print(_line(*job))
            case LogEvent.JOB_ERROR:
                self.running.pop(event["jobid"], None)
            case LogEvent.PROGRESS:
                self.done, self.total = event["done"], event["total"]
        return self.live is not None and (event.get("event") in REPLACED or record.msg == SELECTING)

    def start(self, total: int) -> None:
        """Show the lines from now on, below whatever this process and its children write to the terminal."""
        self.total, self.started = total, time.monotonic()
        self.live = Live(
            self,
            console=self.console,
            refresh_per_second=2,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self.live.start()
        self.take_streams()

    def __rich__(self) -> Group:
        """What stands at the foot of the terminal now."""
        running = list(self.running.values())
        more = [Text(f"{'':>7} and {len(running) - SHOWN} more")] if len(running) > SHOWN else []
        bar = Table.grid(padding=(0, 1))
        share = f"{self.done} of {self.total} jobs"
        bar.add_row(Text(_clock(self.started), "cyan"), ProgressBar(self.total, self.done, width=40), share)
        return Group(*(_line(*job, style="bold") for job in running[:SHOWN]), *more, bar)

    def take_streams(self) -> None:
        """Jobs write past Snakemake: the one line that says what was wrong, a traceback, a library's warning."""
        self.streams = {number: os.dup(number) for number in (1, 2) if os.isatty(number)}
        read_end, write_end = os.pipe()
        for number in self.streams:
            os.dup2(write_end, number)
        os.close(write_end)
        self.reader = threading.Thread(target=self._print, args=(read_end,), daemon=True)
        self.reader.start()

    def _print(self, read_end: int) -> None:
        with os.fdopen(read_end, encoding="utf-8", errors="replace") as file:
            for line in file:
                self.console.print(Text.from_ansi(line.rstrip("\r\n")), soft_wrap=True)

    def close(self) -> None:
        """Clear the lines."""
        for number, stream in self.streams.items():
            os.dup2(stream, number)
            os.close(stream)
        self.streams = {}
        if self.reader:
            self.reader.join(2)  # not longer: a process that was left behind may hold the other end
        if self.live:
            self.live.stop()


def _line(started: float, message: str, style: str = "") -> Text:
    return Text.assemble((_clock(started), "cyan"), " ", (message, style), no_wrap=True, overflow="ellipsis")


def _clock(started: float) -> str:
    return str(timedelta(seconds=int(time.monotonic() - started)))
