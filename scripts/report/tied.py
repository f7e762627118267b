"""What the figures of shared embeddings share: names and looks of remedies, intervals over seeds."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from scripts.common.intervals import mean_interval
from scripts.report.style import LINES, MARKERS

REMEDIES = {  # in the order drawn: name in the tables, name in a legend
    "plain": "plain tying",
    "scaled": "σ = (log n)/d",
    "untied": "untied",
    "projection": "projection",
    "projection_bias": "projection, bias",
    "projection_activation": "projection, GELU",
    "swap": "half swap",
    "shuffle": "shuffle",
}
LOOKS: dict[str, dict[str, Any]] = {
    name: {
        "color": f"C{number}",
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": LINES[number % len(LINES)],
        "markersize": 4,
        "linewidth": 1.2,
    }
    for number, name in enumerate(REMEDIES)
}


def in_order(remedies: Iterable[str]) -> list[str]:
    """The remedies in the order drawn."""
    found = set(remedies)
    return [name for name in REMEDIES if name in found]


def remedy_handles(remedies: Iterable[str]) -> list[Line2D]:
    """What a legend says of them."""
    return [Line2D([], [], label=REMEDIES[name], **LOOKS[name]) for name in in_order(remedies)]


def over_seeds(training: pd.DataFrame, column: str, keys: Sequence[str] = ("remedy", "step")) -> pd.DataFrame:
    """Mean of a column over seeds, `value`, with its 95 % interval, `low` and `high`, for each of the keys."""
    table = training.pivot_table(index=list(keys), columns="seed", values=column)
    mean, low, high = mean_interval(table.to_numpy().T)
    return pd.DataFrame({"value": mean, "low": low, "high": high}, index=table.index).reset_index()


def step_axis(axis: Axes, last: int) -> None:
    """Steps from 0 on, as log(1 + step)."""
    axis.set_xscale("function", functions=(lambda step: np.log1p(np.maximum(step, 0)), np.expm1))
    ticks = [0] + [2**power for power in range(1, 40, 2) if 2**power < 0.4 * last] + [last]
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_xlim(0, last)
    axis.set_xlabel("training step")


def draw_curves(axis: Axes, curves: pd.DataFrame, x: str = "step") -> None:
    """A line and a band a remedy."""
    for name in in_order(curves.remedy):
        one = curves[curves.remedy == name].sort_values(x)
        axis.plot(one[x], one.value, **LOOKS[name], markevery=0.12)
        axis.fill_between(one[x], one.low, one.high, color=LOOKS[name]["color"], alpha=0.15, lw=0)
