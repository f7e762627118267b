"""Rule `figure_6`: accuracy and loss of heads against their rank (arXiv 2404.07647, Figs 6a and 6b)."""

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scripts.common.jobs import job
from scripts.common.tables import read_csv
from scripts.report.heads import (
    NONE,
    PAPER_START,
    draw_unfactored,
    model_looks,
    models_of,
    of_model,
    rank_axis,
    rows_of_panels,
    star_handle,
    upper_limit,
)
from scripts.report.style import PUBLISHED, save_figure, set_style
from scripts.report.suites import KEYS, empty_figure, figure_legend, join, paper_handle, paper_rows

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = [*KEYS, "source", "start", "factored", "rank", "accuracy", "loss_nats", "low", "high"]
PANELS = {"accuracy": "accuracy", "loss_nats": "loss (nats/token)"}


def curves_drawn(heads: pd.DataFrame, published: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """The heads that start as the paper's, and those of the start that ended best; the paper's own curves."""
    starts = {PAPER_START} & set(heads.start)
    at_full = heads[heads.factored == 1].sort_values("rank").groupby([*KEYS, "start"]).tail(1)
    best = at_full.loc[at_full.groupby(KEYS).loss_nats.idxmin(), [*KEYS, "start"]]
    own = heads.merge(best, on=KEYS, suffixes=("", "_best"))
    own = own[own.start.isin(starts) | (own.start == own.start_best)]
    error = own.loss_error.fillna(0.0)
    own = own.assign(source="ours", low=own.loss_nats - error, high=own.loss_nats + error)
    paper = paper_rows(heads.assign(parameters=0), published, names).assign(
        source="paper", start=PAPER_START, factored=1
    )
    return join(own, paper, columns=COLUMNS)


def draw(drawn: pd.DataFrame) -> Figure:
    """Accuracy and loss, a colour a model."""
    if drawn.empty:
        return empty_figure(f"Heads of constrained rank: {NONE}")
    figure, axes = rows_of_panels(1, 2, 3.0)
    models = models_of(drawn)
    looks = model_looks(models)
    for axis, (column, label) in zip(axes[0], PANELS.items(), strict=True):
        top = upper_limit(drawn[drawn.factored == 1][column]) if column == "loss_nats" else 1.0
        for (suite, model, source, start), points in drawn.groupby([*KEYS, "source", "start"], sort=False):
            factored, whole = points[points.factored == 1], points[points.factored == 0]
            if source == "paper":
                axis.plot(factored["rank"], factored[column], color=PUBLISHED, linewidth=1.5, zorder=1)
                continue
            look = {**looks[suite, model], "linestyle": "-" if start == PAPER_START else "--"}
            axis.plot(factored["rank"], factored[column], **look)
            draw_unfactored(axis, whole, column, look, top)
            if column == "loss_nats":
                axis.fill_between(factored["rank"], factored.low, factored.high, color=look["color"], alpha=0.25, lw=0)
        rank_axis(axis)
        axis.set_ylabel(label)
    axes[0][1].set_ylim(top=top)
    figure.suptitle("Heads of constrained rank on a frozen trunk")
    figure_legend(figure, _handles(drawn, models))
    return figure


def _handles(drawn: pd.DataFrame, models: list[tuple[str, str]]) -> list[Line2D]:
    looks, handles = model_looks(models), []
    for model in models:
        for start in of_model(drawn[drawn.source == "ours"], model).start.unique():
            style = "-" if start == PAPER_START else "--"
            handles.append(Line2D([], [], label=f"{model[1]}, start {start}", **{**looks[model], "linestyle": style}))
    handles.append(star_handle())
    return handles + ([paper_handle()] if (drawn.source == "paper").any() else [])


if __name__ == "__main__":
    with job(snakemake):
        files, options = snakemake.input, snakemake.params
        set_style(options.palette)
        curves = curves_drawn(read_csv("table_heads", files.heads), pd.read_csv(files.published), options.names)
        save_figure(draw(curves), curves, snakemake.output)
