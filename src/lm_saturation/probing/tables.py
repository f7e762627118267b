"""Readings as tables for a terminal."""

import io
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lm_saturation.probing.readings import ALL, Reading
from lm_saturation.probing.references import short

STEPS_SHOWN = (
    "cross_entropy_nats", "bfloat16_cost", "float16_cost", "logit_offset", "anisotropy", "singular_entropy",
    "singular_entropy_centred", "loss_on_unigram_text",
)  # fmt: skip


def as_text(readings: Sequence[Reading], width: int = 120) -> str:
    """The readings as plain text."""
    file = io.StringIO()
    Console(file=file, width=width).print(readings_table(readings))
    return file.getvalue().rstrip()


def readings_table(readings: Sequence[Reading]) -> Table:
    """A row a reading: the number, what it means, and below that where it lies, a line a reference."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("reading", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("what it means, and where it lies")
    for reading in readings:
        text = Text(reading.meaning)
        for place in reading.places:
            text.append(f"\n· {place}", style="dim")
        table.add_row(Text(reading.name, style="bold"), Text(reading.text), text)
    return table


def steps_table(steps: Sequence[tuple[str, dict[str, float]]]) -> Table:
    """A row a checkpoint: its label and some of its numbers."""
    shown = [name for name in STEPS_SHOWN if any(name in values for _, values in steps)]
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("step", justify="right")
    for name in shown:
        table.add_column(ALL[name].label, justify="right")
    for label, values in steps:
        table.add_row(label, *(short(values[name]) if name in values else "" for name in shown))
    return table
