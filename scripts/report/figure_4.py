"""Rule `figure_4`: the largest singular values of the LM head over training (arXiv 2404.07647, Fig 4)."""

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from lm_saturation.figures.panels import (
    DUPLICATE,
    KEYS,
    PAPER,
    duplicate_handle,
    empty_figure,
    figure_legend,
    first_of_row,
    join,
    model_panels,
    other_published,
    published_curves,
    trajectories,
)
from lm_saturation.figures.style import figure_job, save_figure
from lm_saturation.io.tables import read_frames

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = [*KEYS, "parameters", "source", "step", "training", "rank", "share", "duplicate"]
RANKS = 101  # as far as the paper draws
OUR_COLOURS, PAPER_COLOURS = "plasma", "Greys_r"
TICKS = [0, 0.02, 0.1, 0.2, 0.4, 0.6, 0.8, 1]  # of the colour bars
LEVEL = 0.2  # of the contour that is drawn for the paper's models, ours and its own


def values_drawn(
    metrics: pd.DataFrame, spectra: pd.DataFrame, published: pd.DataFrame, names: dict[str, str]
) -> pd.DataFrame:
    """Singular values from the second on, as a share of the first. The first is 1 by definition and is not drawn."""
    checkpoints = trajectories(metrics)[[*KEYS, "step", "parameters", "duplicate"]]
    first = spectra[spectra["rank"] == 1][[*KEYS, "step", "singular_value"]]
    shown = spectra[(spectra["rank"] > 1) & (spectra["rank"] <= RANKS)][[*KEYS, "step", "rank", "singular_value"]]
    ours = checkpoints.merge(shown, on=[*KEYS, "step"]).merge(first, on=[*KEYS, "step"], suffixes=("", "_first"))
    ours = ours.assign(source="ours", share=ours.singular_value / ours.singular_value_first)
    others = other_published(ours, published, names).rename(columns={"share": "training"})
    paper = [
        part.rename(columns={"singular_value_share": "share"}).assign(source="paper", duplicate=0)
        for part in (published_curves(ours, published, names), others)
    ]
    return join(ours, *paper, columns=COLUMNS)


def draw(drawn: pd.DataFrame) -> Figure:
    """One heat map per model; for the paper's models a contour of ours and one of its own; its others in grey."""
    if drawn.empty:
        return empty_figure("Singular values of the LM head: no suite has a model with two checkpoints of its own.")
    figure, panels = model_panels(drawn, 1.8)
    colours = PowerNorm(0.5, 0, float(drawn.share.max()))  # most values lie in the lowest fifth
    for (suite, model), axis in panels.items():
        points = drawn[(drawn.suite == suite) & (drawn.model == model)]
        ours, paper = (points[points.source == source] for source in ("ours", "paper"))
        if suite == PAPER:
            _draw_map(axis, paper, "training", colours, PAPER_COLOURS)
            axis.set(xlim=(0, 1), ylabel="the paper\nrank of singular value" if first_of_row(axis) else "")
            continue
        _draw_map(axis, ours[ours.duplicate == 0], "step", colours, OUR_COLOURS)
        copies = ours[ours.duplicate == 1].step.unique()
        if len(paper):
            _contour(axis, ours[ours.duplicate == 0], "white", "solid")
            _contour(axis, paper, "0.7", "dashed")
        edge = {"transform": axis.get_xaxis_transform(), "markeredgecolor": "0.2", "clip_on": False, "in_layout": False}
        axis.plot(copies, np.ones(len(copies)), **{**DUPLICATE, **edge})
        if first_of_row(axis):
            axis.set_ylabel(f"{suite}\nrank of singular value")
    _draw_bars(figure, panels, colours)
    figure.suptitle("Singular values of the LM head over training")
    figure_legend(figure, _handles(drawn))
    return figure


def _draw_bars(figure: Figure, panels: dict[tuple[str, str], Axes], colours: Normalize) -> None:
    """What colours mean, and that they follow the square root."""
    labels = {PAPER_COLOURS: "the paper's", OUR_COLOURS: "here"}  # the later, the closer to the panels
    if all(suite != PAPER for suite, _ in panels):
        del labels[PAPER_COLOURS]
    ticks = [tick for tick in TICKS if tick <= float(colours.vmax or 1)]
    for name, label in labels.items():
        bar = figure.colorbar(mpl.cm.ScalarMappable(colours, name), ax=list(panels.values()), aspect=30, ticks=ticks)
        bar.set_label(f"σᵢ/σ₁, {label} (square-root scale)", fontsize="small")
        bar.ax.set_yticklabels([f"{tick:g}" for tick in ticks], fontsize="x-small")


def _handles(drawn: pd.DataFrame) -> list[Line2D]:
    handles = []
    if ((drawn.source == "paper") & (drawn.suite != PAPER)).any():
        handles.append(Line2D([], [], color="0.3", label=f"σᵢ/σ₁ = {LEVEL}, here (white in the panels)"))
        handles.append(Line2D([], [], color="0.7", linestyle="--", label=f"σᵢ/σ₁ = {LEVEL}, the paper's"))
    if (drawn.duplicate == 1).any():
        handles.append(duplicate_handle("weights shared with another step, left out"))
    return handles


def _draw_map(axis: Axes, points: pd.DataFrame, x: str, colours: Normalize, palette: str) -> None:
    table = points.pivot_table(index="rank", columns=x, values="share")
    steps, ranks = _edges(table.columns.to_numpy(float)), _edges(table.index.to_numpy(float))
    axis.pcolormesh(steps, ranks, table.to_numpy(), cmap=palette, norm=colours, rasterized=True)


def _edges(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bounds of cells half-way between their centres."""
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middles = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[centres[0]], middles, [centres[-1]]])


def _contour(axis: Axes, points: pd.DataFrame, colour: str, line: str) -> None:
    table = points.pivot_table(index="rank", columns="step", values="share")
    if table.shape[0] > 1 and table.min(axis=None) < LEVEL < table.max(axis=None):
        style: dict[str, Any] = {"colors": colour, "linestyles": line, "linewidths": 1}
        axis.contour(table.columns, table.index, table.to_numpy(), [LEVEL], **style)


if __name__ == "__main__":
    with figure_job(snakemake) as (files, options):
        values = values_drawn(
            read_frames("checkpoint_metrics", files.metrics),
            read_frames("head_spectrum", files.spectra),
            pd.read_csv(files.published),
            options.names,
        )
        save_figure(draw(values), values, snakemake.output)
