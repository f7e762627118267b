"""Trainings with each remedy in numbers, one row per remedy."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from lm_saturation.io.tables import table_columns
from lm_saturation.statistics.intervals import mean_interval

ALIKE = ["parameters", "sigma", "expected_nats", "threshold_nats"]  # the same for every seed
MEANS = ["initial_nats", "anisotropy", "singular_entropy", "singular_entropy_centred"]


def training_rows(runs: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """One row per remedy; of the models that do not reach the loss, steps are not counted."""
    for remedy, own in runs.groupby("remedy", sort=False):
        reached = own.steps_to_loss.dropna()
        steps = mean_interval(reached.to_numpy(float)) if len(reached) else [None] * 3
        final = mean_interval(own.final_nats.to_numpy())
        yield {
            "remedy": remedy,
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
    return table.astype({"parameters": int})
