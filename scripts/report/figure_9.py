"""Rule `figure_9`: the best peak learning rate, against the rank of the head (arXiv 2404.07647, Fig 9)."""

from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lm_saturation.figures.head_panels import (
    LOOK,
    NONE,
    SERIES,
    draw_published,
    models_of,
    of_model,
    published_heads,
    rank_axis,
    rows_of_panels,
)
from lm_saturation.figures.panels import (
    KEYS,
    PAPER,
    empty_figure,
    figure_legend,
    join,
    log_axis,
    source_handles,
)
from lm_saturation.figures.style import PUBLISHED, figure_job, save_figure
from lm_saturation.io.tables import read_csv

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = [*KEYS, "source", "initialisation", "rank", "learning_rate"]
# One inside the other, so that initialisations which agree do not hide each other: sizes of hollow marks and of lines.
NESTED = {"normal": (10, 3.2), "scaled": (6.5, 1.8), "svd": (3, 0.8), "weighted_svd": (3, 0.8)}


def curves_drawn(heads: pd.DataFrame, published: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """The best learning rates of every initialisation, and the paper's."""
    own = heads[heads.factored == 1].assign(source="ours")
    return join(own, published_heads(heads, published, names), columns=COLUMNS)


def look_of(initialisation: str) -> dict[str, Any]:
    """Its look in this figure."""
    size, width = NESTED[initialisation]
    return {**LOOK[initialisation], "markersize": size, "linewidth": width, "markerfacecolor": "none"}


def draw(drawn: pd.DataFrame) -> Figure:
    """One panel per model, and one for the paper's other models."""
    if drawn.empty:
        return empty_figure(f"Learning rates of heads: {NONE}")
    models, others = models_of(drawn), drawn[drawn.suite == PAPER]
    figure, axes = rows_of_panels(1, len(models) + bool(len(others)))
    for axis, model in zip(axes[0], models, strict=False):
        part = of_model(drawn, model)
        paper = part[part.source == "paper"]
        axis.plot(paper["rank"], paper.learning_rate, color=PUBLISHED, lw=1.5, zorder=1)
        for name in NESTED:
            own = part[(part.source == "ours") & (part.initialisation == name)]
            axis.plot(own["rank"], own.learning_rate, **look_of(name))
        axis.set_title(f"{model[0]}/{model[1]}")
    if len(others):
        draw_published(axes[0][-1], others, "rank", "learning_rate")
        axes[0][-1].set_title("the paper's", color="0.4")
    for axis in axes[0]:
        log_axis(axis)
        rank_axis(axis)
    axes[0][0].set_ylabel("peak learning rate")
    figure.suptitle("The best learning rate of each rank")
    shown = [name for name in NESTED if name in set(drawn[drawn.source == "ours"].initialisation)]
    handles = [Line2D([], [], label=SERIES[name], **look_of(name)) for name in shown]
    figure_legend(figure, handles + source_handles(drawn))
    return figure


if __name__ == "__main__":
    with figure_job(snakemake) as (files, options):
        curves = curves_drawn(read_csv("table_heads", files.heads), pd.read_csv(files.published), options.names)
        save_figure(draw(curves), curves, snakemake.output)
