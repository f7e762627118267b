"""Rule `figure_6`: accuracy and loss of heads against their rank (arXiv 2404.07647, Figs 6a and 6b)."""

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lm_saturation.figures.head_panels import (
    NONE,
    PRETRAINED,
    draw_published,
    draw_unfactored,
    model_looks,
    models_of,
    of_model,
    pretrained_handle,
    pretrained_losses,
    published_heads,
    rank_axis,
    rows_of_panels,
    star_handle,
    upper_limit,
)
from lm_saturation.figures.panels import (
    KEYS,
    PAPER,
    empty_figure,
    figure_legend,
    join,
    source_handles,
)
from lm_saturation.figures.style import PUBLISHED, figure_job, save_figure
from lm_saturation.heads.noticeable import PAPER_INITIALISATION
from lm_saturation.io.tables import read_csv

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = [*KEYS, "source", "initialisation", "factored", "rank", "accuracy", "loss_nats", "low", "high"]
PANELS = {"accuracy": "accuracy", "loss_nats": "loss (nats/token)"}


def curves_drawn(heads: pd.DataFrame, published: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """LM heads of the paper's initialisation and of the one that ended best, the pretrained one; the paper's curves."""
    at_full = heads[heads.factored == 1].sort_values("rank").groupby([*KEYS, "initialisation"]).tail(1)
    best = at_full.loc[at_full.groupby(KEYS).loss_nats.idxmin(), [*KEYS, "initialisation"]]
    own = heads.merge(best, on=KEYS, suffixes=("", "_best"))
    own = own[(own.initialisation == PAPER_INITIALISATION) | (own.initialisation == own.initialisation_best)]
    error = own.loss_error.fillna(0.0)
    own = own.assign(source="ours", low=own.loss_nats - error, high=own.loss_nats + error)
    return join(own, pretrained_losses(heads), published_heads(heads, published, names), columns=COLUMNS)


def draw(drawn: pd.DataFrame) -> Figure:
    """Accuracy and loss, one colour per model; below, the paper's other models on axes of their own."""
    if drawn.empty:
        return empty_figure(f"Heads of constrained rank: {NONE}")
    others = drawn[drawn.suite == PAPER]
    figure, axes = rows_of_panels(2 if len(others) else 1, 2, 2.9)
    for axis, column in zip(axes[0], PANELS, strict=True):
        _draw_panel(axis, drawn[drawn.suite != PAPER], column)
    for axis, column in zip(axes[1] if len(others) else [], PANELS, strict=False):
        draw_published(axis, others, "rank", column)
        axis.set_title("the paper's", color="0.4", fontsize="small")
    for line in axes:
        for axis, label in zip(line, PANELS.values(), strict=True):
            rank_axis(axis)
            axis.set_ylabel(label)
    figure.suptitle("Heads of constrained rank on a frozen trunk")
    figure_legend(figure, _handles(drawn))
    return figure


def _draw_panel(axis: Axes, drawn: pd.DataFrame, column: str) -> None:
    looks = model_looks(models_of(drawn))
    top = upper_limit(drawn[drawn.factored == 1][column]) if column == "loss_nats" else 1.0
    curves = drawn.groupby([*KEYS, "source", "initialisation"], sort=False)
    for (suite, model, source, initialisation), points in curves:
        factored, whole = points[points.factored == 1], points[points.factored == 0]
        look = {**looks[suite, model], "linestyle": "-" if initialisation == PAPER_INITIALISATION else "--"}
        if source == "paper":
            axis.plot(factored["rank"], factored[column], color=PUBLISHED, linewidth=1.5, zorder=1)
        elif initialisation == "pretrained":
            if pd.notna(points[column].iloc[0]):
                axis.axhline(points[column].iloc[0], color=look["color"], **PRETRAINED)
        else:
            axis.plot(factored["rank"], factored[column], **look)
            draw_unfactored(axis, whole, column, look, top)
            if column == "loss_nats":
                axis.fill_between(factored["rank"], factored.low, factored.high, color=look["color"], alpha=0.25, lw=0)
    if column == "loss_nats":
        axis.set_ylim(top=top)


def _handles(drawn: pd.DataFrame) -> list[Line2D]:
    models, handles = models_of(drawn), []
    looks = model_looks(models)
    for model in models:
        trained = of_model(drawn[(drawn.source == "ours") & (drawn.initialisation != "pretrained")], model)
        for name in trained.initialisation.unique():
            style = "-" if name == PAPER_INITIALISATION else "--"
            handles.append(
                Line2D([], [], label=f"{model[1]}, initialisation {name}", **{**looks[model], "linestyle": style})
            )
    return [*handles, star_handle(), pretrained_handle(), *source_handles(drawn)]


if __name__ == "__main__":
    with figure_job(snakemake) as (files, options):
        curves = curves_drawn(read_csv("table_heads", files.heads), pd.read_csv(files.published), options.names)
        save_figure(draw(curves), curves, snakemake.output)
