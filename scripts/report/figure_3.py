"""Rule `figure_3`: the loss over training, coloured by last-layer anisotropy (arXiv 2404.07647, Fig 3)."""

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from lm_saturation.figures.panels import (
    KEYS,
    PAPER,
    draw_duplicates,
    empty_figure,
    figure_legend,
    first_of_row,
    join,
    model_panels,
    other_published,
    published_curves,
    set_limits,
    short_number,
    source_handles,
    trajectories,
)
from lm_saturation.figures.style import PUBLISHED, figure_job, save_figure
from lm_saturation.io.tables import read_frames

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = [*KEYS, "parameters", "source", "metric", "step", "share", "value", "anisotropy", "duplicate"]
LABELS = {"word_perplexity": "word perplexity", "cross_entropy_nats": "loss (nats/token)"}
AFTER = 0.2  # share of the steps after which the loss decides the limits of its axis, as in figure 1a
COLOURS = Normalize(0, 1)


def curves_drawn(metrics: pd.DataFrame, published: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """Word perplexity and anisotropy at every checkpoint, or the loss for suites that have no word perplexity."""
    ours = trajectories(metrics)
    worded = ours.groupby("suite").word_perplexity.transform(lambda values: values.notna().any()).astype(bool)
    value = ours.word_perplexity.where(worded, ours.cross_entropy_nats)
    metric = worded.map({True: "word_perplexity", False: "cross_entropy_nats"})
    ours = ours.assign(source="ours", value=value, metric=metric).dropna(subset="value")
    worded = ours[ours.metric == "word_perplexity"]
    paper = [published_curves(worded, published, names), other_published(ours, published, names)]
    paper = [
        part.rename(columns={"word_perplexity": "value"}).assign(source="paper", metric="word_perplexity", duplicate=0)
        for part in paper
    ]
    return join(ours, *paper, columns=COLUMNS)


def draw(drawn: pd.DataFrame) -> Figure:
    """One panel per model, its line coloured by anisotropy; the paper's others in panels of their own."""
    if drawn.empty:
        return empty_figure("Loss and anisotropy: no suite has a model with two checkpoints of its own.")
    figure, panels = model_panels(drawn, 1.8)
    for (suite, model), axis in panels.items():
        points = drawn[(drawn.suite == suite) & (drawn.model == model)]
        ours, paper = (points[points.source == source] for source in ("ours", "paper"))
        own, copies = ours[ours.duplicate == 0], ours[ours.duplicate == 1]
        x = "share" if suite == PAPER else "step"
        axis.plot(paper[x], paper.value, color=PUBLISHED, linewidth=4, alpha=0.6, zorder=1)
        draw_coloured(axis, paper if suite == PAPER else own, x)
        draw_duplicates(axis, copies.step, copies.value, "0.2")
        set_limits(axis, [curve for curve in (own, paper) if len(curve)], ["value"], AFTER)
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short_number(value)))
        if first_of_row(axis):
            axis.set_ylabel(f"{suite}\n{LABELS[points.metric.iloc[0]]}")
    bar = mpl.cm.ScalarMappable(COLOURS, "viridis")
    figure.colorbar(bar, ax=list(panels.values()), label="last-layer anisotropy", shrink=0.8, aspect=30)
    figure.suptitle("Loss over training, coloured by anisotropy of the last layer")
    figure_legend(figure, source_handles(drawn))
    return figure


def draw_coloured(axis: Axes, points: pd.DataFrame, x: str) -> None:
    """A line in segments, each in the colour of the mean anisotropy of its ends."""
    ends = points[[x, "value"]].to_numpy(float)
    segments = np.stack([ends[:-1], ends[1:]], axis=1)
    shades = points.anisotropy.to_numpy()
    lines = LineCollection(list(segments), cmap="viridis", norm=COLOURS, linewidth=2, capstyle="round", zorder=2)
    lines.set_array((shades[:-1] + shades[1:]) / 2)
    axis.add_collection(lines)
    axis.autoscale_view()


if __name__ == "__main__":
    with figure_job(snakemake) as (files, options):
        curves = curves_drawn(
            read_frames("checkpoint_metrics", files.metrics), pd.read_csv(files.published), options.names
        )
        save_figure(draw(curves), curves, snakemake.output)
