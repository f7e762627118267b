"""A probe of all checkpoints at a path: each is loaded, measured on the same sample, and let go."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from tokenizers import Tokenizer

from lm_saturation.checkpoints.loading import quantisation_of
from lm_saturation.devices import find_device
from lm_saturation.errors import InputError
from lm_saturation.inference.logits import head_of
from lm_saturation.inference.trunk import positions_of
from lm_saturation.io.gguf_file import SUFFIX as GGUF
from lm_saturation.probing.checkpoints import Checkpoint, find_tokenizer, load_checkpoint, step_of
from lm_saturation.probing.course import Course, course_of
from lm_saturation.probing.measure import Health, causal_model, measure_health
from lm_saturation.probing.references import trained_models
from lm_saturation.probing.sample import ProbeSample, SampleOptions, make_sample
from lm_saturation.probing.tables import readings_table, steps_table


class NoTokenizerError(InputError):
    """There is none for the text."""


@dataclass
class Probed:
    """What was measured at a path."""

    path: str
    text: str  # where the text is from
    steps: list[tuple[str, Health]] = field(default_factory=list)  # labels, and what they show
    unread: list[str] = field(default_factory=list)  # a line for each checkpoint that could not be measured
    notes: list[str] = field(default_factory=list)
    course: Course = field(default_factory=lambda: Course({}, (None, None)))

    @contextmanager
    def noting(self, checkpoint: Checkpoint) -> Iterator[None]:
        """Keep a line on a checkpoint that cannot be measured; that there is no tokenizer is true of all."""
        try:
            yield
        except NoTokenizerError:
            raise
        except InputError as error:
            message, path = str(error), str(checkpoint.path)
            self.unread.append(message if path in message else f"{path}: {message}")

    def note_quantisation(self, path: Path) -> None:
        """Say of a GGUF file what its weights were stored in."""
        if path.suffix == GGUF and (types := quantisation_of(path)):
            self.notes.append(f"{path.name}: weights were quantised ({types}) and are measured dequantised")

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        checkpoints = [{"checkpoint": label, **health.plain()} for label, health in self.steps]
        return {
            "path": self.path,
            "text": self.text,
            "checkpoints": checkpoints,
            "course": self.course.plain(),
            "notes": self.notes,
            "unread": self.unread,
        }

    def summary(self) -> str:
        """What was measured on what, in a line."""
        label, health = self.steps[-1]
        sample = health.sample
        own = Path(self.path).name
        name = self.path if label in (own, str(step_of(own))) else f"{self.path}, {label}"
        return f"{name}: {sample['tokens']:,} tokens of {self.text} (sample {sample['sha256'][:12]})"

    def show(self) -> None:
        """Print tables: all readings of the last checkpoint, some of each, and those of their course."""
        if not self.steps:
            return
        out = Console()
        console = out if out.is_terminal else Console(width=120)
        console.print(self.summary(), highlight=False)
        for note in self.notes:
            console.print(f"note: {note}", highlight=False)
        if len(self.steps) > 1:
            console.print(steps_table([(label, health.values) for label, health in self.steps]))
        console.print(readings_table([*self.steps[-1][1].readings, *self.course.readings]))
        low, high = self.course.interval
        if low is not None and high is not None:
            console.print(f"95 % interval of loss_increase over texts: {low:.3g} to {high:.3g}", highlight=False)


def probe_all(checkpoints: list[Checkpoint], options: argparse.Namespace, texts: Any, source: str) -> Probed:
    """Measure checkpoints by the command's options, on `texts` from `source`.

    A checkpoint that cannot be measured is a line of `unread`, and the others go on. Raises InputError if there is no
    tokenizer.
    """
    sizes = {"tokens": options.tokens, "unigram_tokens": max(1, options.tokens // 2)}
    sample_options = SampleOptions.of({**sizes, "unargmaxable": options.unargmaxable or None})
    device = find_device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"), "--device")
    beside = trained_models(options.beside) if options.beside else {}
    probed = Probed(options.path, source)
    samples = _Samples(options, texts, sample_options)
    with _progress() as say:
        for number, checkpoint in enumerate(checkpoints, 1):
            say(f"[{number}/{len(checkpoints)}] {checkpoint.label}")
            with probed.noting(checkpoint):
                path = checkpoint.locate()
                health = _measured(path, device, samples)
                probed.steps.append((checkpoint.label, replace(health, beside=beside)))
                probed.note_quantisation(path)
    probed.course = course_of([health for _, health in probed.steps])
    return probed


def _measured(path: Path, device: str, samples: "_Samples") -> Health:
    """The health of a checkpoint on disk; its model is let go before the next one is read."""
    model = causal_model(load_checkpoint(path)).to(device)
    return measure_health(model, samples.of(model, path))


class _Samples:
    """The sample, made once for all models of one vocabulary and as many positions."""

    def __init__(self, options: argparse.Namespace, texts: Any, sample_options: SampleOptions) -> None:
        self.options, self.texts, self.sample_options = options, texts, sample_options
        self.made: dict[tuple[int, int | None], ProbeSample] = {}

    def of(self, model: Any, path: Path) -> ProbeSample:
        """The sample for a model. Raises InputError if there is no tokenizer for the text."""
        key = len(head_of(model).weight), positions_of(model)
        if key not in self.made:
            self.made[key] = make_sample(model, self._tokenizer(path), self.texts, self.sample_options)
        return self.made[key]

    def _tokenizer(self, path: Path) -> Tokenizer | None:
        if not isinstance(self.texts, list):  # token ids
            return None
        if self.options.tokenizer:
            places = [Path(self.options.tokenizer).expanduser()]
            if not places[0].exists():
                raise NoTokenizerError(f"--tokenizer: {places[0]}: no such file or folder")
        else:
            places = [path, path.parent] if path.is_dir() else [path]
        if found := find_tokenizer(places):
            return found
        allowed = "name one with --tokenizer, or give ids (.bin, .npy) as --text"
        raise NoTokenizerError(f"{places[0]}: no tokenizer.json; {allowed}")


@contextmanager
def _progress() -> Iterator[Any]:
    """Say on a terminal what is being measured."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading text")
        yield lambda what: bar.update(task, description=what)
