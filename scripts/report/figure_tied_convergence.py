"""Rule `figure_tied_convergence`: how fast and how far models with each remedy learn (kexue.fm 9698)."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scripts.common.jobs import job
from scripts.common.tables import read_csv
from scripts.report.style import save_figure, set_style
from scripts.report.suites import figure_legend, join, log_axis, read_suites
from scripts.report.tied import LOOKS, REMEDIES, draw_curves, in_order, over_seeds, remedy_handles, step_axis

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
    """Losses over steps, their paired differences from plain tying, and those of steps and final losses."""
    parts = [over_seeds(training, "loss_nats").assign(panel="loss")]
    if len(against := paired(training)):
        parts.append(over_seeds(against, "difference").assign(panel="difference"))
    for quantity in BESIDE:
        rows = comparison[(comparison.quantity == quantity) & (comparison.reference == PLAIN)]
        parts.append(rows.assign(panel=quantity, value=rows.difference))
    drawn = join(*parts, columns=COLUMNS)
    return drawn.assign(
        threshold_nats=summary.threshold_nats.iloc[0] if len(summary) else None, seeds=training.seed.nunique()
    )


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
    figure.suptitle(f"Learning with each remedy, {drawn.seeds.iloc[0]} seeds; bands and bars: 95 % intervals")
    figure_legend(figure, remedy_handles(drawn.remedy))
    return figure


def _limit_differences(axis: Axes, curves: pd.DataFrame) -> None:
    """The start, where plain tying is far above, would hide all else: the axis shows what comes after."""
    axis.axhline(0, color="0.4", lw=0.8)
    axis.set_ylabel("loss less that of plain tying")
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
    axis.set_yticks(range(len(names)), [REMEDIES[name] for name in names], fontsize="small")
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_xlabel(f"{label},\nless that of plain tying")


if __name__ == "__main__":
    with job(snakemake):
        files = snakemake.input
        set_style(snakemake.params.palette)
        curves = curves_drawn(
            read_suites("tied_training", files.training),
            read_csv("tied_comparison", files.comparison),
            read_csv("table_tied_training", files.summary),
        )
        save_figure(draw(curves), curves, snakemake.output)
