"""On a terminal: what runs now and how much is done, below all messages. Elsewhere Snakemake's own lines."""

import logging
import os
import threading
import time
from datetime import timedelta
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from snakemake.logging import ColorizingTextHandler, logger
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.common import LogEvent

SHOWN = 8  # jobs on the screen: a cluster may run hundreds
REPLACED = (LogEvent.JOB_STARTED, LogEvent.JOB_INFO, LogEvent.JOB_FINISHED, LogEvent.PROGRESS)
SELECTING = "Select jobs to execute..."  # which has no event
LESS = {Quietness.ALL, Quietness.PROGRESS, Quietness.RULES}


class LiveProgress(logging.Handler):
    """Keeps the last lines of a terminal: a line for each job that runs, with its time, and a bar of all jobs.

    A job that is done leaves one line above them.

    Parameters
    ----------
    console
        The terminal.
    total
        Jobs of the run, until Snakemake says it anew.

    """

    def __init__(self, console: Console, total: int) -> None:
        super().__init__()
        self.running: dict[int, tuple[float, str]] = {}  # by job: when it started, s, and its message
        self.done, self.total = 0, total
        self.started = time.monotonic()
        self.kept: dict[int, int] = {}  # copies of the streams that were taken
        self.live = Live(
            self,
            console=console,
            refresh_per_second=2,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self.live.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of a job that starts, ends or fails."""
        event: dict[str, Any] = record.__dict__
        match event.get("event"):
            case LogEvent.JOB_INFO:
                self.running[event["jobid"]] = time.monotonic(), event["rule_msg"] or event["rule_name"]
            case LogEvent.JOB_FINISHED if found := self.running.pop(event["job_id"], None):
                self.live.console.print(_line(*found))
            case LogEvent.JOB_ERROR:
                self.running.pop(event["jobid"], None)
            case LogEvent.PROGRESS:
                self.done, self.total = event["done"], event["total"]

    def __rich__(self) -> Group:
        """What stands at the foot of the terminal now."""
        running = list(self.running.values())
        more = [Text(f"{'':>7} and {len(running) - SHOWN} more")] if len(running) > SHOWN else []
        bar = Table.grid(padding=(0, 1))
        share = f"{self.done} of {self.total} jobs"
        bar.add_row(Text(_clock(self.started), "cyan"), ProgressBar(self.total, self.done, width=40), share)
        return Group(*(_line(*job, style="bold") for job in running[:SHOWN]), *more, bar)

    def take_streams(self) -> None:
        """Show above the lines what this process and its children write to the terminal.

        Jobs do so past Snakemake: the one line that says what was wrong, a traceback, a library's warning.
        """
        self.kept = {number: os.dup(number) for number in (1, 2) if os.isatty(number)}
        read_end, write_end = os.pipe()
        for number in self.kept:
            os.dup2(write_end, number)
        os.close(write_end)
        self.reader = threading.Thread(target=self._show, args=(read_end,), daemon=True)
        self.reader.start()

    def _show(self, read_end: int) -> None:
        with os.fdopen(read_end, encoding="utf-8", errors="replace") as file:
            for line in file:
                self.live.console.print(Text.from_ansi(line.rstrip("\r\n")), soft_wrap=True)

    def close(self) -> None:
        """Clear the lines: Snakemake closes its handlers when a run ends, however it ends."""
        for number, kept in self.kept.items():
            os.dup2(kept, number)
            os.close(kept)
        if self.kept:
            self.reader.join(2)  # not longer: a process that was left behind may hold the other end
        self.kept = {}
        self.live.stop()
        super().close()


def show_progress(workflow: Any) -> None:
    """Keep those lines where Snakemake writes to a terminal, unless it was asked to say less than usual, or all."""
    settings = workflow.output_settings
    snakemakes = next((one for one in logger.handlers if isinstance(one, ColorizingTextHandler)), None)
    if snakemakes is None or not snakemakes.can_color_tty() or settings.verbose or LESS & set(settings.quiet or ()):
        return
    terminal = os.fdopen(os.dup(snakemakes.stream.fileno()), "w")
    progress = LiveProgress(Console(file=terminal, no_color=snakemakes.nocolor or None), len(workflow.dag))
    progress.take_streams()
    snakemakes.addFilter(lambda record: getattr(record, "event", None) not in REPLACED and record.msg != SELECTING)
    logger.addHandler(progress)


def _line(started: float, message: str, style: str = "") -> Text:
    return Text.assemble((_clock(started), "cyan"), " ", (message, style), no_wrap=True, overflow="ellipsis")


def _clock(started: float) -> str:
    return str(timedelta(seconds=int(time.monotonic() - started)))
