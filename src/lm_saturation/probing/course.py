"""Readings of several checkpoints of one training: how far loss and loss on unigram text end above their minimum."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lm_saturation.probing.measure import Health
from lm_saturation.probing.readings import Reading, read
from lm_saturation.statistics.loss_increase import loss_increase

FEWEST = 3  # steps, from which on a minimum is spoken of


@dataclass(frozen=True)
class Course:
    """What the steps say together; no readings for fewer than three steps."""

    values: dict[str, float]
    interval: tuple[float | None, float | None]  # 95 % of loss_increase, over texts

    @property
    def readings(self) -> list[Reading]:
        """As of a single checkpoint."""
        return read(self.values)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        found = {reading.name: reading.plain() for reading in self.readings}
        if "loss_increase" in found:
            found["loss_increase"]["interval"] = list(self.interval)
        return found


def course_of(steps: Sequence[Health]) -> Course:
    """The readings of checkpoints in order of their steps, measured on the same sample; others say nothing together."""
    if len(steps) < FEWEST or len({health.sample["sha256"] for health in steps}) > 1:
        return Course({}, (None, None))
    values = {}
    for name, column in (("loss_increase", "cross_entropy_nats"), ("unigram_increase", "loss_on_unigram_text")):
        numbers = [health.values[column] for health in steps if column in health.values]
        if len(numbers) == len(steps):
            values[name] = numbers[-1] - min(numbers)
    losses = np.stack([health.losses for health in steps])
    weights = np.ones(losses.shape[1])
    return Course(values, loss_increase(losses, weights, steps[0].documents))
