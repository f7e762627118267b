"""Rule `figure_8`: the loss of heads against the W-error of the pretrained head (arXiv 2404.07647, Fig 8).

And whether there is a threshold: a smooth curve and one with a kink through the same points.
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scripts.common.jobs import job
from scripts.common.tables import read_csv
from scripts.heads.thresholds import curve, fit
from scripts.report.heads import LOOK, NONE, PAPER_START, SERIES, models_of, of_model, rank_axis, rows_of_panels
from scripts.report.style import PUBLISHED, save_figure, set_style
from scripts.report.suites import KEYS, empty_figure, figure_legend, join, paper_handle, paper_rows

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = [*KEYS, "source", "start", "panel", "kind", "x", "loss_nats"]
PANELS = {"rank": "rank of the head", "w_error": "W-error of the pretrained head"}
LEAST_POINTS = 4
PLACES = 200


def curves_drawn(heads: pd.DataFrame, published: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """The points, against rank and W-error, and both curves through them; the paper's points."""
    own = heads[heads.factored == 1].assign(source="ours")
    paper = paper_rows(heads.assign(parameters=0), published, names).assign(source="paper", start=PAPER_START)
    points = join(own, paper, columns=[*KEYS, "source", "start", "rank", "w_error", "loss_nats"])
    parts = []
    for panel in PANELS:
        seen = points.dropna(subset=panel).assign(panel=panel, kind="points")
        seen = seen.assign(x=seen[panel].astype(float))
        parts += [seen, *(_curves(part) for _, part in seen.groupby([*KEYS, "source", "start"], sort=False))]
    return join(*parts, columns=COLUMNS)


def _curves(points: pd.DataFrame) -> pd.DataFrame:
    if len(points) < LEAST_POINTS or points.source.iloc[0] == "paper":
        return points[:0]
    panel, x, losses = str(points.panel.iloc[0]), points.x.to_numpy(), points.loss_nats.to_numpy(float)
    places = (np.geomspace if panel == "rank" else np.linspace)(x.min(), x.max(), PLACES)
    found = fit(panel, x, losses)
    keys = points.iloc[0][[*KEYS, "source", "start", "panel"]].to_dict()
    return pd.concat(
        pd.DataFrame({**keys, "kind": kind, "x": places, "loss_nats": curve(panel, kind, found, x, losses, places)})
        for kind in ("smooth", "kinked")
    )


def draw(drawn: pd.DataFrame) -> Figure:
    """A row a model: against rank, and against W-error."""
    if drawn.empty:
        return empty_figure(f"Loss against W-error: {NONE}")
    models = models_of(drawn)
    figure, axes = rows_of_panels(len(models), 2)
    for line, model in zip(axes, models, strict=True):
        for axis, (panel, label) in zip(line, PANELS.items(), strict=True):
            part = of_model(drawn, model)
            _draw_panel(axis, part[part.panel == panel])
            axis.set_xlabel(label)
        rank_axis(line[0])
        line[0].set_ylabel(f"{model[0]}/{model[1]}\nloss (nats/token)")
    figure.suptitle("Is there a threshold in rank or in W-error?")
    shown = [start for start in SERIES if start in set(drawn.start)]
    handles = [Line2D([], [], label=SERIES[name], **{**LOOK[name], "linestyle": ""}) for name in shown]
    handles += [Line2D([], [], color="0.3", lw=1.0, label="smooth curve")]
    handles += [Line2D([], [], color="0.3", lw=1.0, ls=":", label="curve with a kink")]
    figure_legend(figure, handles + ([paper_handle()] if (drawn.source == "paper").any() else []))
    return figure


def _draw_panel(axis: Axes, part: pd.DataFrame) -> None:
    for (source, start, kind), points in part.groupby(["source", "start", "kind"], sort=False):
        if source == "paper":
            axis.plot(points.x, points.loss_nats, color=PUBLISHED, lw=1.5, marker="o", markersize=3, zorder=1)
        elif kind == "points":
            axis.plot(points.x, points.loss_nats, **{**LOOK[start], "linestyle": ""})
        else:
            axis.plot(
                points.x, points.loss_nats, color=LOOK[start]["color"], lw=1.0, ls="-" if kind == "smooth" else ":"
            )


if __name__ == "__main__":
    with job(snakemake):
        files, options = snakemake.input, snakemake.params
        set_style(options.palette)
        curves = curves_drawn(read_csv("table_heads", files.heads), pd.read_csv(files.published), options.names)
        save_figure(draw(curves), curves, snakemake.output)
