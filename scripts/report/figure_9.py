"""Rule `figure_9`: the peak learning rate that served best, against the rank of the head (arXiv 2404.07647, Fig 9)."""

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scripts.common.jobs import job
from scripts.common.tables import read_csv
from scripts.report.heads import LOOK, NONE, SERIES, models_of, of_model, rank_axis, rows_of_panels
from scripts.report.style import PUBLISHED, save_figure, set_style
from scripts.report.suites import KEYS, empty_figure, figure_legend, join, log_axis, paper_handle, paper_rows

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = [*KEYS, "source", "start", "rank", "learning_rate"]
ASIDE = {"normal": 0.97, "scaled": 1.0, "svd": 1.03}  # so that starts which agree do not hide each other


def curves_drawn(heads: pd.DataFrame, published: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """The chosen rates of every start, and the paper's."""
    own = heads[heads.factored == 1].assign(source="ours")
    paper = paper_rows(heads.assign(parameters=0), published, names).assign(source="paper", start="normal")
    return join(own, paper, columns=COLUMNS)


def draw(drawn: pd.DataFrame) -> Figure:
    """A panel a model."""
    if drawn.empty:
        return empty_figure(f"Learning rates of heads: {NONE}")
    models = models_of(drawn)
    figure, axes = rows_of_panels(1, len(models))
    for axis, model in zip(axes[0], models, strict=True):
        for (source, start), points in of_model(drawn, model).groupby(["source", "start"], sort=False):
            if source == "paper":
                axis.plot(points["rank"], points.learning_rate, color=PUBLISHED, lw=1.5, zorder=1)
            else:
                axis.plot(points["rank"], points.learning_rate * ASIDE[start], **LOOK[start])
        log_axis(axis)
        rank_axis(axis)
        axis.set_title(f"{model[0]}/{model[1]}")
    axes[0][0].set_ylabel("peak learning rate")
    figure.suptitle("The best learning rate of each rank")
    shown = [start for start in SERIES if start in set(drawn.start)]
    handles = [Line2D([], [], label=SERIES[name], **LOOK[name]) for name in shown]
    figure_legend(figure, handles + ([paper_handle()] if (drawn.source == "paper").any() else []))
    return figure


if __name__ == "__main__":
    with job(snakemake):
        files, options = snakemake.input, snakemake.params
        set_style(options.palette)
        curves = curves_drawn(read_csv("table_heads", files.heads), pd.read_csv(files.published), options.names)
        save_figure(draw(curves), curves, snakemake.output)
