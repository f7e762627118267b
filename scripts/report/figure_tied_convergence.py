"""Rule `figure_tied_convergence`: training with each remedy (Su 2023)."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lm_saturation.figures.panels import figure_legend, join, log_axis
from lm_saturation.figures.remedy_panels import (
    LOOKS,
    POSITIVE,
    draw_curves,
    in_first_setting,
    in_order,
    over_seeds,
    remedy_handles,
    step_axis,
)
from lm_saturation.figures.style import figure_job, save_figure
from lm_saturation.io.tables import read_csv, read_frames
from lm_saturation.tied.remedies import REMEDIES

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = ["panel", "remedy", "step", "value", "low", "high", "threshold_nats", "seeds"]
PLAIN = "plain"
BESIDE = {"steps_to_loss": "steps to the loss", "final_nats": "loss at the end (nats/token)"}


def paired(training: pd.DataFrame) -> pd.DataFrame:
    """The loss less that of the plain model of the same seed and step; empty without plain models."""
    plain = training[training.remedy == PLAIN].set_index(["seed", "step"]).loss_nats
    keys = pd.MultiIndex.from_frame(training[["seed", "step"]])
    return training.assign(difference=training.loss_nats - plain.reindex(keys).to_numpy()).dropna(subset="difference")


def curves_drawn(training: pd.DataFrame, comparison: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """Losses over steps, their paired differences from plain tying, and those of steps and final losses.

    Of several settings, the first; figure_tied_end has all.
    """
    training, comparison, summary = (in_first_setting(table) for table in (training, comparison, summary))
    parts = [over_seeds(training, "loss_nats", possible=POSITIVE).assign(panel="loss")]
    if len(against := paired(training)):
        parts.append(over_seeds(against, "difference").assign(panel="difference"))
    for quantity in BESIDE:
        rows = comparison[(comparison.quantity == quantity) & (comparison.reference == PLAIN)]
        parts.append(possible(rows, quantity, float(training.step.max())).assign(panel=quantity))
    drawn = join(*parts, columns=COLUMNS)
    return drawn.assign(
        threshold_nats=summary.threshold_nats.iloc[0] if len(summary) else None, seeds=training.seed.nunique()
    )


def possible(rows: pd.DataFrame, quantity: str, last: float) -> pd.DataFrame:
    """Differences with the ends of their intervals cut to what they can be.

    The remedy's own value, the reference plus the difference, is no less than 0, and steps are no more than `last`.
    """
    lowest, highest = -rows.reference_mean, (last if quantity == "steps_to_loss" else np.inf) - rows.reference_mean
    ends = {end: rows[end].astype(float).clip(lowest, highest) for end in ("low", "high")}
    return rows.assign(value=rows.difference, **ends)


def draw(drawn: pd.DataFrame) -> Figure:
    """Two panels over steps above two of differences."""
    figure, axes = plt.subplots(2, 2, figsize=(7.6, 5.8))
    last = int(drawn.step.max())
    for axis, panel in zip(axes[0], ("loss", "difference"), strict=True):
        draw_curves(axis, drawn[drawn.panel == panel])
        step_axis(axis, last)
    log_axis(axes[0][0])
    axes[0][0].set_ylabel("held-out loss (nats/token)")
    threshold = drawn.threshold_nats.iloc[0]
    if pd.notna(threshold):
        axes[0][0].axhline(threshold, color="0.4", lw=0.8, ls=":")
        axes[0][0].annotate(
            "loss to reach", (0.02, threshold), (0, 2), xycoords=("axes fraction", "data"),
            textcoords="offset points", fontsize="x-small", color="0.3",
        )  # fmt: skip
    _limit_differences(axes[0][1], drawn[drawn.panel == "difference"])
    for axis, (quantity, label) in zip(axes[1], BESIDE.items(), strict=True):
        _draw_differences(axis, drawn[drawn.panel == quantity], label)
    figure.suptitle(f"Training with each remedy, {drawn.seeds.iloc[0]} seeds; bands and bars: 95 % intervals")
    figure_legend(figure, remedy_handles(drawn.remedy))
    return figure


def _limit_differences(axis: Axes, curves: pd.DataFrame) -> None:
    """The start, where plain tying is far above, would hide all else: the axis shows what comes after."""
    axis.axhline(0, color="0.4", lw=0.8)
    axis.set_ylabel("loss minus that of plain tying")
    late = curves[curves.step >= curves.step.max() * 0.02]
    if len(late):
        size = 1.2 * max(late.value.abs().max(), 1e-6)
        axis.set_ylim(-size, size)


def _draw_differences(axis: Axes, rows: pd.DataFrame, label: str) -> None:
    names = in_order(rows.remedy)
    if not names:
        axis.set_axis_off()
        return
    for place, name in enumerate(names):
        row, look = rows[rows.remedy == name].iloc[0], {**LOOKS[name], "linestyle": ""}
        axis.plot([row.value], [place], **{**look, "markersize": 5})
        axis.hlines(place, row.low, row.high, color=look["color"], lw=1.2)
    axis.axvline(0, color="0.4", lw=0.8)
    axis.set_yticks(range(len(names)), [REMEDIES[name].label for name in names], fontsize="small")
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_xlabel(f"{label},\nminus that of plain tying")


if __name__ == "__main__":
    with figure_job(snakemake) as (files, _):
        curves = curves_drawn(
            read_frames("tied_training", files.training),
            read_csv("tied_comparison", files.comparison),
            read_csv("table_tied_training", files.summary),
        )
        save_figure(draw(curves), curves, snakemake.output)
