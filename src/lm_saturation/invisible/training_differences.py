"""The table `half_precision`: what precision and kind of head change in a training, paired by seed.

Trainings with the same seed have the same initial weights and read the same text in the same order, so the differences
of their losses have none of the noise of seeds. Intervals are Student's over seeds. A training is held against float32
with the same head, which shows the precision, and against the plain head in the same precision, which shows the head.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lm_saturation.statistics.intervals import mean_interval

RUN, SHIPPED = "run", "shipped"  # where trainings are from: this run, or resources/half_precision.csv
PRECISION, HEAD = "precision", "head"  # what differs in a pair
REFERENCES = {PRECISION: "float32", HEAD: "plain"}
KEYS = ["source", "suite", "model", "step"]
COLUMNS = [
    *KEYS, "compared", "precision", "head", "seeds", "difference_nats", "difference_low", "difference_high",
]  # fmt: skip
Row = dict[str, Any]


def training_differences(trainings: pd.DataFrame) -> pd.DataFrame:
    """One row per model and pair of trainings; `trainings` are rows of `table_offset_training`."""
    rows = []
    for keys, group in trainings.groupby(KEYS, sort=False):
        losses = group.pivot_table(index="seed", columns=["precision", "head"], values="loss_nats", sort=False)
        rows += [dict(zip(KEYS, keys, strict=True)) | pair for pair in _pairs(losses)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _pairs(losses: pd.DataFrame) -> Iterator[Row]:
    """Of losses by seed, and by precision and head."""
    for compared, reference in REFERENCES.items():
        for precision, head in losses.columns:
            against = (reference, head) if compared == PRECISION else (precision, reference)
            if against in losses.columns and against != (precision, head):
                differences = (losses[precision, head] - losses[against]).dropna().to_numpy(float)
                if len(differences):  # a seed that both have
                    yield {"compared": compared, "precision": precision, "head": head, **_interval(differences)}


def _interval(differences: NDArray[np.float64]) -> Row:
    """Mean difference and the ends of its interval, which are missing with one seed."""
    mean, low, high = mean_interval(differences)
    ends = {"difference_low": low, "difference_high": high} if len(differences) > 1 else {}
    return {"seeds": len(differences), "difference_nats": mean, **ends}
