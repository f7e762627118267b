"""Rule `figure_rounding`: what published trainings with an offset of the logits lost, and what rounding must cost."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from lm_saturation.evidence.rounding import NOISE, rounding_cost
from lm_saturation.figures.panels import figure_legend
from lm_saturation.figures.style import MARKERS, WIDTH, figure_job, save_figure
from lm_saturation.io.tables import read_csv

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

LINEAR = 0.01  # nats: below, the axis is linear and differences are noise
TICKS = [0, 0.01, 0.1, 1]
OFFSETS = np.geomspace(1, 2000, 60)


def points_drawn(pairs: pd.DataFrame) -> pd.DataFrame:
    """The pairs, and below them the line: the cost at the median spread."""
    spread = float(pairs.logit_spread.median())
    line = pd.DataFrame(
        {
            "logit_offset": OFFSETS,
            "logit_spread": spread,
            "predicted": [rounding_cost(float(offset), spread, "bfloat16") for offset in OFFSETS],
        }
    )
    return pd.concat([pairs.assign(kind="pair"), line.assign(kind="line")], ignore_index=True)


def loss_axis(axis: Axes, which: str) -> None:
    """Nats, linear near 0 and logarithmic above."""
    getattr(axis, f"set_{which}scale")("symlog", linthresh=LINEAR)
    ticks = getattr(axis, f"{which}axis")
    ticks.set_ticks(TICKS)
    ticks.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def draw(drawn: pd.DataFrame) -> Figure:
    """Left: lost against predicted; right: both against the offset."""
    pairs, line = drawn[drawn.kind == "pair"], drawn[drawn.kind == "line"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.4), sharey=True)
    for number, (size, group) in enumerate(pairs.groupby("size_millions")):
        style = {"color": f"C{number}", "marker": MARKERS[number % len(MARKERS)], "ls": "", "ms": 5}
        left.plot(group.predicted, group.lost, **style, label=f"{size:.0f}M")
        right.plot(group.logit_offset.abs(), group.lost, **style)
    for place in pairs[pairs.fits == 0].itertuples():
        left.annotate(
            f"{place.size_millions:.0f}M, {place.peak_learning_rate:g}",
            (place.predicted, place.lost),
            xytext=(4, 4),
            textcoords="offset points",
            fontsize="x-small",
        )
    ends = np.append(0, np.geomspace(1e-4, 4, 100))
    left.plot(ends, ends, color="0.4", lw=1)
    left.fill_between(ends, ends - NOISE, ends + NOISE, color="0.85", lw=0)
    right.plot(line.logit_offset, line.predicted, color="0.4", lw=1)
    for axis in (left, right):
        loss_axis(axis, "y")
    loss_axis(left, "x")
    left.set_xlim(-LINEAR / 10, 4)
    left.set_ylim(-LINEAR / 2, 4)
    right.set_xscale("log")
    left.set_xlabel("what rounding to bfloat16 costs (nats/token)")
    left.set_ylabel("lost against the same training\nwith μ-loss (nats/token)")
    right.set_xlabel("offset of the logits")
    figure.suptitle("A common offset of the logits, rounded away")
    figure_legend(figure, left.get_legend_handles_labels()[0])
    return figure


if __name__ == "__main__":
    with figure_job(snakemake) as (files, _):
        points = points_drawn(read_csv("rounding_pairs", files.pairs))
        save_figure(draw(points), points, snakemake.output)
