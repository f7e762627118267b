"""Snakemake's own lines; below them, on a terminal, what runs now; and one line about a config file that is broken.

A logger plugin of Snakemake (9.27), which the profiles switch on: `logger: [saturation]`. It takes the place of
Snakemake's handler for the screen and is one itself, with its filter and formatter; the file in .snakemake/log stays
Snakemake's. Where jobs on other machines start Snakemake again, it loads no plugin.

Snakemake imports every plugin whenever it starts, so rich is imported only for a terminal. Neither may lm_saturation be
imported here: the Snakefile of a clone puts its own before the installed one, and is read later.

Snakemake reads the files of --configfile before the Snakefile, which therefore cannot say what is wrong with them. The
handler exists by then, and formats the error.
"""

import logging
import sys
from pathlib import Path

from snakemake.logging import ColorizingTextHandler
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

LESS = {Quietness.ALL, Quietness.PROGRESS, Quietness.RULES}


class LogHandler(LogHandlerBase, ColorizingTextHandler):
    """Writes to the screen, from the thread of Snakemake's queue."""

    writes_to_stream = True
    writes_to_file = has_filter = has_formatter = needs_rulegraph = False

    def __post_init__(self) -> None:
        """Become Snakemake's handler; get ready for a terminal, unless more or less than usual is asked for."""
        settings = self.common_settings
        stream = sys.stdout if settings.stdout else sys.stderr
        ColorizingTextHandler.__init__(self, settings.nocolor, stream)
        self.folder = Path.cwd()  # --directory leads elsewhere
        self.live = None
        if self.can_color_tty() and not (settings.dryrun or settings.verbose or LESS & set(settings.quiet or ())):
            from snakemake_logger_plugin_saturation.live import LiveProgress  # with rich

            self.live = LiveProgress(stream, self.nocolor)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, unless the live lines show it."""
        if record.msg == "None":
            record.msg = None  # as Snakemake had it; the queue makes it a text
        if not (self.live and self.live.shows(record)):
            ColorizingTextHandler.emit(self, record)

    def format(self, record: logging.LogRecord) -> str:
        """Snakemake's text, or one line about the config file that could not be read."""
        text = super().format(record)
        if getattr(record, "event", None) == LogEvent.ERROR and "config" in text.lower():
            from lm_saturation_workflow.config_files import config_error

            return config_error(self.folder) or text
        return text

    def close(self) -> None:
        """Clear the live lines: Snakemake closes its handlers when a run ends, however it ends."""
        if self.live:
            self.live.close()
        super().close()
