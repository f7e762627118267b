"""Rule `figure_8`: the loss of heads against the W-error of the pretrained head (arXiv 2404.07647, Fig 8).

And whether there is a threshold: a smooth curve and one with a kink through the same points.
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
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
    source_handles,
)
from lm_saturation.figures.style import PUBLISHED, figure_job, save_figure
from lm_saturation.heads.rank_threshold import curve, fit
from lm_saturation.io.tables import read_csv

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = [*KEYS, "source", "initialisation", "panel", "kind", "x", "loss_nats"]
PANELS = {"rank": "rank of the head", "w_error": "W-error of the pretrained head"}
LEAST_POINTS = 4
PLACES = 200


def curves_drawn(heads: pd.DataFrame, published: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """The points, against rank and W-error, and both curves through them; the paper's points."""
    own = heads[heads.factored == 1].assign(source="ours")
    paper = published_heads(heads, published, names)
    points = join(own, paper, columns=[*KEYS, "source", "initialisation", "rank", "w_error", "loss_nats"])
    parts = []
    for panel in PANELS:
        seen = points.dropna(subset=panel).assign(panel=panel, kind="points")
        seen = seen.assign(x=seen[panel].astype(float))
        parts += [seen, *(_curves(part) for _, part in seen.groupby([*KEYS, "source", "initialisation"], sort=False))]
    return join(*parts, columns=COLUMNS)


def _curves(points: pd.DataFrame) -> pd.DataFrame:
    if len(points) < LEAST_POINTS or points.source.iloc[0] == "paper":
        return points[:0]
    panel, x, losses = str(points.panel.iloc[0]), points.x.to_numpy(), points.loss_nats.to_numpy(float)
    places = (np.geomspace if panel == "rank" else np.linspace)(x.min(), x.max(), PLACES)
    found = fit(panel, x, losses)
    keys = points.iloc[0][[*KEYS, "source", "initialisation", "panel"]].to_dict()
    return pd.concat(
        pd.DataFrame({**keys, "kind": kind, "x": places, "loss_nats": curve(panel, kind, found, x, losses, places)})
        for kind in ("smooth", "kinked")
    )


def draw(drawn: pd.DataFrame) -> Figure:
    """One row per model: against rank, and against W-error; then the paper's other models."""
    if drawn.empty:
        return empty_figure(f"Loss against W-error: {NONE}")
    models, others = models_of(drawn), drawn[drawn.suite == PAPER]
    figure, axes = rows_of_panels(len(models) + bool(len(others)), 2)
    for line, model in zip(axes, models, strict=False):
        for axis, (panel, label) in zip(line, PANELS.items(), strict=True):
            part = of_model(drawn, model)
            _draw_panel(axis, part[part.panel == panel])
            axis.set_xlabel(label)
        rank_axis(line[0])
        line[0].set_ylabel(f"{model[0]}/{model[1]}\nloss (nats/token)")
    if len(others):
        for axis, (panel, label) in zip(axes[-1], PANELS.items(), strict=True):
            draw_published(axis, others[others.panel == panel], "x", "loss_nats")
            axis.set_xlabel(label)
            axis.set_title("the paper's", color="0.4", fontsize="small")
        rank_axis(axes[-1][0])
        axes[-1][0].set_ylabel("loss (nats/token)")
    figure.suptitle("Is there a threshold in rank or in W-error?")
    shown = [name for name in SERIES if name in set(drawn.initialisation)]
    handles = [Line2D([], [], label=SERIES[name], **{**LOOK[name], "linestyle": ""}) for name in shown]
    handles += [Line2D([], [], color="0.3", lw=1.0, label="smooth curve")]
    handles += [Line2D([], [], color="0.3", lw=1.0, ls=":", label="curve with a kink")]
    figure_legend(figure, handles + source_handles(drawn))
    return figure


def _draw_panel(axis: Axes, part: pd.DataFrame) -> None:
    for (source, initialisation, kind), points in part.groupby(["source", "initialisation", "kind"], sort=False):
        if source == "paper":
            axis.plot(points.x, points.loss_nats, color=PUBLISHED, lw=1.5, marker="o", markersize=3, zorder=1)
        elif kind == "points":
            axis.plot(points.x, points.loss_nats, **{**LOOK[initialisation], "linestyle": ""})
        else:
            axis.plot(
                points.x,
                points.loss_nats,
                color=LOOK[initialisation]["color"],
                lw=1.0,
                ls="-" if kind == "smooth" else ":",
            )


if __name__ == "__main__":
    with figure_job(snakemake) as (files, options):
        curves = curves_drawn(read_csv("table_heads", files.heads), pd.read_csv(files.published), options.names)
        save_figure(draw(curves), curves, snakemake.output)
