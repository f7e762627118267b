"""What the figures of tied embeddings share: names and looks of remedies, intervals over seeds."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from lm_saturation.figures.style import LINES, MARKERS
from lm_saturation.statistics.intervals import mean_interval
from lm_saturation.tied.comparison import SETTING
from lm_saturation.tied.remedies import REMEDIES

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


def in_first_setting(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the first tokenizer and scale of residual branches that the table names."""
    return table[(table[SETTING] == table[SETTING].iloc[0]).all(axis=1)] if len(table) else table


def remedy_handles(remedies: Iterable[str]) -> list[Line2D]:
    """What a legend says of them."""
    return [Line2D([], [], label=REMEDIES[name].label, **LOOKS[name]) for name in in_order(remedies)]


POSITIVE = (0.0, np.inf)  # what losses and entropies can be
ANY = (-np.inf, np.inf)


def over_seeds(
    training: pd.DataFrame,
    column: str,
    keys: Sequence[str] = ("remedy", "step"),
    possible: tuple[float, float] = ANY,
) -> pd.DataFrame:
    """Mean of a column over seeds, `value`, with its 95 % interval, `low` and `high`, for each of the keys.

    Ends of the interval are cut to what the value can be: with few seeds Student's t goes far beyond.
    """
    table = training.pivot_table(index=list(keys), columns="seed", values=column)
    mean, low, high = mean_interval(table.to_numpy().T)
    ends = {"low": np.clip(low, *possible), "high": np.clip(high, *possible)}
    return pd.DataFrame({"value": mean, **ends}, index=table.index).reset_index()


def step_axis(axis: Axes, last: int) -> None:
    """Steps from 0 on, as log(1 + step)."""
    axis.set_xscale("function", functions=(lambda step: np.log1p(np.maximum(step, 0)), np.expm1))
    ticks = [0] + [2**power for power in range(1, 40, 2) if 2**power < 0.4 * last] + [last]
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_xlim(0, last)
    axis.set_xlabel("training step")


def draw_curves(axis: Axes, curves: pd.DataFrame, x: str = "step") -> None:
    """One line and band per remedy."""
    for name in in_order(curves.remedy):
        one = curves[curves.remedy == name].sort_values(x)
        axis.plot(one[x], one.value, **LOOKS[name], markevery=0.12)
        axis.fill_between(one[x], one.low, one.high, color=LOOKS[name]["color"], alpha=0.15, lw=0)
