"""Trainings with each remedy in numbers, one row per setting and remedy."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from lm_saturation.io.tables import table_columns
from lm_saturation.statistics.intervals import mean_interval
from lm_saturation.tied.comparison import SETTING

ALIKE = [  # the same for every seed
    "vocabulary_size", "width", "parameters", "learning_rate", "sigma", "expected_nats", "threshold_nats", "steps",
]  # fmt: skip
KEYS = [*SETTING, "remedy"]
MEANS = ["initial_nats", "doubling_gain", "anisotropy", "singular_entropy", "singular_entropy_centred"]


def training_rows(runs: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """One row per setting and remedy; of the models that do not reach the loss, steps are not counted."""
    for key, own in runs.groupby(KEYS, sort=False, observed=True):
        reached = own.steps_to_loss.dropna()
        steps = mean_interval(reached.to_numpy(float)) if len(reached) else [None] * 3
        final = mean_interval(own.final_nats.to_numpy())
        yield {
            **dict(zip(KEYS, key, strict=True)),
            "seeds": len(own),
            "reached": len(reached),
            **own[ALIKE].iloc[0].to_dict(),
            **own[MEANS].mean().to_dict(),
            **dict(zip(("steps_to_loss", "steps_low", "steps_high"), steps, strict=True)),
            **dict(zip(("final_nats", "final_low", "final_high"), final, strict=True)),
        }


def training_table(runs: pd.DataFrame) -> pd.DataFrame:
    """The table `table_tied_training`."""
    table = pd.DataFrame(list(training_rows(runs)), columns=list(table_columns("table_tied_training")))
    return table.astype({"vocabulary_size": int, "width": int, "parameters": int, "steps": int})
