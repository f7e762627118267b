"""A probe every n steps of a training loop of any kind.

watch = Watch(model, tokenizer, held_out_texts, every=500, csv="probe.csv")
for step in range(steps):
    train(model, step)
    if numbers := watch(model, step + 1):
        wandb.log(numbers, step=step + 1)
"""

import csv
import math
from pathlib import Path
from typing import Any

from lm_saturation.errors import InputError
from lm_saturation.io.atomic import atomic_write
from lm_saturation.io.logs import log
from lm_saturation.options import Count, Section, option
from lm_saturation.probing.measure import causal_model, measure_health
from lm_saturation.probing.readings import MEANINGS
from lm_saturation.probing.sample import SampleOptions, make_sample
from lm_saturation.probing.split_models import WholeModel, is_first_process

PREFIX = "probe/"
STEP = "step"


class WatchOptions(Section):
    """How often, and on how much."""

    every: Count = option(500, "steps between probes; from 1")
    tokens: Count = option(1024, "tokens of text that are predicted, at most; from 1")
    sequence_length: int = option(128, "tokens of a sequence, at most; from 2", ge=2)
    unigram_tokens: int = option(512, "tokens of random text that are predicted, about; 0 for none", ge=0)
    batch_size: Count = option(8, "sequences run at a time; from 1")
    unargmaxable: bool = option(False, "search for tokens never likeliest")


class Watch:
    """Measures a model every n steps, on the same small sample each time, and leaves the training as it was.

    Raises InputError if the model or the text cannot be measured; afterwards, in the midst of a training, what cannot
    be measured is a warning and no numbers.
    """

    def __init__(
        self, model: Any, tokenizer: Any, texts: Any, *, csv: str | Path | None = None, **options: Any
    ) -> None:
        """`model`, `tokenizer` and `texts` as of `probe`; options of WatchOptions; `csv` is a file of the numbers."""
        self.options = WatchOptions.of(options)
        self.csv = None if csv is None else Path(csv)
        self.whole = WholeModel()
        self.checked = False
        if (whole := self.whole.of(model)) is not None:
            self.sample = make_sample(causal_model(whole), tokenizer, texts, self.options.part(SampleOptions))

    def __call__(self, model: Any, step: int) -> dict[str, float]:
        """The numbers after so many steps, named `probe/...`, if it is the turn of this step; else none.

        Only the first process of several measures; the others have none. All must call it if the model is split over
        them (FSDP 2), and give their parts.
        """
        return {} if step % self.options.every else self.measure(model, step)

    def measure(self, model: Any, step: int) -> dict[str, float]:
        """The numbers after so many steps, whatever the step."""
        try:
            whole = self.whole.of(model)
            if not is_first_process():
                return {}
            values = measure_health(causal_model(whole), self.sample, checked=self.checked).values
        except InputError as error:
            log.warning("probe at step %d: %s", step, error)
            return {}
        self.checked = True  # what a model's kind decides does not change in training
        if self.csv:
            _add_row(self.csv, {STEP: step, **values})
        return {f"{PREFIX}{name}": value for name, value in values.items() if math.isfinite(value)}


def _add_row(path: Path, row: dict[str, float]) -> None:
    """Add a row, in place of those of this step and of later ones: a resumed training writes them anew."""
    rows: list[dict[str, Any]] = []
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            rows = [old for old in csv.DictReader(file) if int(old[STEP]) < row[STEP]]
    with atomic_write(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [STEP, *MEANINGS], restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows([*rows, row])
