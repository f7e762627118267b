"""Rule `figure_6_controls`: what the initialisation of an LM head costs, and the loss of the pretrained one, cut."""

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lm_saturation.figures.head_panels import (
    LOOK,
    NONE,
    PRETRAINED,
    SERIES,
    draw_unfactored,
    models_of,
    of_model,
    pretrained_handle,
    pretrained_losses,
    rank_axis,
    rows_of_panels,
    star_handle,
    upper_limit,
)
from lm_saturation.figures.panels import KEYS, empty_figure, figure_legend, join, log_axis, short_number
from lm_saturation.figures.style import figure_job, save_figure
from lm_saturation.io.tables import read_csv, read_frames

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = [*KEYS, "panel", "series", "factored", "rank", "tokens", "loss_nats"]
POINTS = 60  # of a training curve, each a mean


def curves_drawn(heads: pd.DataFrame, bounds: pd.DataFrame, training: pd.DataFrame) -> pd.DataFrame:
    """Held-out loss by rank of trained heads, cuts and the pretrained head; training loss at full rank over tokens."""
    trained = heads.assign(panel="rank", series=heads.initialisation)
    cuts = bounds[(bounds["head"] == "pretrained") & bounds["method"].isin(list(SERIES))]
    cuts = cuts.rename(columns={"method": "series"}).assign(panel="rank", factored=1)
    cuts = cuts[~cuts.series.isin(heads.initialisation.unique())]
    pretrained = pretrained_losses(heads).assign(panel="rank")
    return join(trained, cuts, pretrained, _learning(heads, training), columns=COLUMNS)


def _learning(heads: pd.DataFrame, training: pd.DataFrame) -> pd.DataFrame:
    """The training loss of heads of the best learning rate and greatest rank, as means over stretches of updates."""
    widest = heads[heads["rank"] == heads.groupby(KEYS)["rank"].transform("max")]
    names = [*KEYS, "initialisation", "rank", "factored", "learning_rate"]
    best = widest[names].assign(learning_rate=widest.learning_rate.round(12))
    curves = training.assign(learning_rate=training.learning_rate.round(12)).merge(best, on=names)
    stretch = max(1, -(-(int(curves["update"].max()) + 1) // POINTS)) if len(curves) else 1
    means = curves.groupby([*names, curves["update"] // stretch], sort=False)[["tokens", "loss_nats"]].mean()
    return means.reset_index().rename(columns={"initialisation": "series"}).assign(panel="training")


def draw(drawn: pd.DataFrame) -> Figure:
    """One row per model: loss by rank, and loss over tokens."""
    if drawn.empty:
        return empty_figure(f"Initialisations of LM heads: {NONE}")
    models = models_of(drawn)
    figure, axes = rows_of_panels(len(models), 2)
    for line, model in zip(axes, models, strict=True):
        part = of_model(drawn, model)
        _draw_ranks(line[0], part[part.panel == "rank"])
        _draw_training(line[1], part[part.panel == "training"])
        line[0].set_ylabel(f"{model[0]}/{model[1]}\nheld-out loss (nats/token)")
        line[1].set_ylabel("training loss (nats/token)")
        log_axis(line[1])
    axes[0][0].set_title("by rank", fontsize="small", loc="left")
    axes[0][1].set_title("of the greatest rank; dashed: unfactored", fontsize="small")
    figure.suptitle("What the initialisation of an LM head costs")
    shown = [name for name in SERIES if name in set(drawn.series)]
    handles = [Line2D([], [], label=SERIES[name], **LOOK[name]) for name in shown]
    figure_legend(figure, [*handles, star_handle(), pretrained_handle()])
    return figure


def _draw_ranks(axis: Axes, part: pd.DataFrame) -> None:
    top = upper_limit(part[part.factored == 1].loss_nats)
    for loss in part[part.series == "pretrained"].loss_nats:
        axis.axhline(loss, color="0.3", **PRETRAINED)
    for series, points in part[part.series != "pretrained"].groupby("series", sort=False):
        factored, whole = points[points.factored == 1].sort_values("rank"), points[points.factored == 0]
        axis.plot(factored["rank"], factored.loss_nats, **LOOK[series])
        draw_unfactored(axis, whole, "loss_nats", LOOK[series], top)
    axis.set_ylim(top=top)
    rank_axis(axis)


def _draw_training(axis: Axes, part: pd.DataFrame) -> None:
    for (series, factored), points in part.groupby(["series", "factored"], sort=False):
        axis.plot(points.tokens, points.loss_nats, color=LOOK[series]["color"], lw=1.2, ls="-" if factored else "--")
    axis.xaxis.set_major_formatter(lambda tokens, _: short_number(tokens))
    axis.set_xlabel("tokens")


if __name__ == "__main__":
    with figure_job(snakemake) as (files, _):
        curves = curves_drawn(
            read_csv("table_heads", files.heads),
            read_frames("bottleneck_bound", files.bounds),
            read_frames("head_training", files.training),
        )
        save_figure(draw(curves), curves, snakemake.output)
