"""Rule `figure_controls`: the loss of models that rises by construction, and of the same models where it does not."""

from math import ceil
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lm_saturation.figures.panels import (
    KEYS,
    by_size,
    empty_figure,
    figure_legend,
    join,
    set_limits,
    step_axis,
)
from lm_saturation.figures.style import WIDTH, figure_job, save_figure
from lm_saturation.io.tables import read_csv, read_frames

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = [
    *[*KEYS, "control", "parameters", "step", "loss_nats", "change_step", "best_step", "low", "high"],
    *["difference_low", "difference_high", "saturates"],
]
AFTER = 0.2  # share of the steps after which the loss decides the limits of its axis: short trainings fall steeply
SHADE: dict[str, Any] = {"color": "C1", "alpha": 0.4, "linewidth": 1.5}  # its edge shows an interval of no width
COLUMNS_OF_PANELS = 3


def curves_drawn(metrics: pd.DataFrame, controls: pd.DataFrame, changes: dict[str, int]) -> pd.DataFrame:
    """Loss at every checkpoint, with the interval of its increase and the step at which the text changes, if any."""
    losses = by_size(metrics).rename(columns={"cross_entropy_nats": "loss_nats"})
    found = controls[[*KEYS, "control", "best_step", "difference_low", "difference_high", "saturates"]]
    drawn = losses[[*KEYS, "parameters", "step", "loss_nats"]].merge(found, on=KEYS)
    lowest = drawn.groupby(KEYS).loss_nats.transform("min")
    ends = {end: lowest + drawn[f"difference_{end}"] for end in ("low", "high")}
    return join(drawn.assign(change_step=drawn.suite.map(changes), **ends), columns=COLUMNS)


def draw(drawn: pd.DataFrame) -> Figure:
    """One panel per model, on the same axis of losses."""
    if drawn.empty:
        return empty_figure("Controls: this configuration measures none.")
    models = [points for _, points in drawn.groupby(KEYS, sort=False)]
    columns = min(COLUMNS_OF_PANELS, len(models))
    rows = ceil(len(models) / columns)
    size = (max(WIDTH, 2.2 * columns), 2.2 * rows + 0.9)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, sharey=True)
    for axis in axes.flat[len(models) :]:
        axis.remove()
    for axis, points in zip(axes.flat, models, strict=False):
        _draw_panel(axis, points)
    set_limits(axes[0][0], models, ["loss_nats", "low", "high"], AFTER)
    for line in axes:
        line[0].set_ylabel("loss (nats/token)")
    figure.suptitle("Controls: would a late rise of the loss be found?")
    figure_legend(figure, _handles())
    return figure


def _draw_panel(axis: Axes, points: pd.DataFrame) -> None:
    """The curve, and from the best step on the interval of its increase, above its lowest point."""
    facts, last = points.iloc[0], points.step.max()
    axis.axhline(points.loss_nats.min(), color="0.8", linewidth=0.6, zorder=0)
    axis.fill_between([facts.best_step, last], [facts.low] * 2, [facts.high] * 2, **SHADE)
    axis.plot(points.step, points.loss_nats, color="C0", marker="o", markersize=2.5, linewidth=1.2)
    if pd.notna(facts.change_step):
        axis.axvline(facts.change_step, color="0.35", linestyle=":", linewidth=1)
    found = "rise found" if facts.saturates else "no rise found"
    axis.set_title(f"{facts.control} control, {facts.model}:\n{found}", fontsize="small")
    step_axis(axis)


def _handles() -> list[Line2D | Patch]:
    return [
        Line2D([], [], color="C0", marker="o", markersize=2.5, label="held-out loss"),
        Patch(label="lowest loss + 95 % interval of the increase", **SHADE),
        Line2D([], [], color="0.35", linestyle=":", label="the text of training changes"),
    ]


if __name__ == "__main__":
    with figure_job(snakemake) as (files, options):
        curves = curves_drawn(
            read_frames("checkpoint_metrics", files.metrics),
            read_csv("table_controls", files.controls),
            options.changes,
        )
        save_figure(draw(curves), curves, snakemake.output)
