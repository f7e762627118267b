"""Rule `figure_5`: singular entropy of the LM head over training, coloured by size (arXiv 2404.07647, Fig 5)."""

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from lm_saturation.figures.panels import (
    KEYS,
    clipped_handle,
    draw_curve,
    empty_figure,
    figure_legend,
    join,
    limits_of,
    mark_clipped,
    published_beside,
    set_limits,
    share_beside,
    size_legend,
    size_styles,
    source_handles,
    step_axis,
    suite_panels,
    trajectories,
)
from lm_saturation.figures.style import PUBLISHED, figure_job, save_figure
from lm_saturation.io.tables import read_frames

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = [*KEYS, "parameters", "source", "step", "share", "singular_entropy", "duplicate", "clipped"]
AFTER = 0.05  # share of the steps after which the values decide the limits of their axis: before lies the warm-up


def curves_drawn(metrics: pd.DataFrame, published: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """Singular entropy of the head at every checkpoint, ours and the paper's; `clipped` if it lies beyond the axis."""
    ours = trajectories(metrics).assign(source="ours")
    paper = published_beside(ours, published, names).assign(source="paper", duplicate=0)
    drawn = join(ours, paper, columns=COLUMNS)
    parts = [panel.assign(clipped=_beyond(panel)) for _, panel in drawn.groupby("suite", sort=False)]
    return join(*parts, columns=COLUMNS)


def _own(panel: pd.DataFrame) -> list[pd.DataFrame]:
    """The curves of a panel without duplicates."""
    return [points[points.duplicate == 0] for _, points in panel.groupby(["model", "source"], sort=False)]


def _beyond(panel: pd.DataFrame) -> pd.Series:
    limits = limits_of(_own(panel), ["singular_entropy"], AFTER, log=True)
    values = panel.singular_entropy.astype(float)
    return (~values.between(*limits)).astype(int) if limits else values * 0


def draw(drawn: pd.DataFrame) -> Figure:
    """One panel per suite, one line per model; all of the paper's, over a second axis, where none is of the suite."""
    if drawn.empty:
        return empty_figure("Singular entropy: no suite has a model with two checkpoints of its own.")
    figure, panels = suite_panels(list(drawn.suite.unique()), height=3.0)
    for suite, axis in panels.items():
        panel = drawn[drawn.suite == suite]
        ours, paper = panel[panel.source == "ours"], panel[panel.source == "paper"]
        styles = size_styles(ours)
        for model, points in ours.groupby("model", sort=False):
            draw_curve(axis, points, "singular_entropy", **styles[str(model)])
        step_axis(axis)
        if paper.share.notna().any():
            share_beside(axis, float(ours.step.max()))
        steps = paper.step.where(paper.share.isna(), paper.share * ours.step.max())
        for _, points in paper.groupby("model", sort=False):
            axis.plot(steps[points.index], points.singular_entropy, color=PUBLISHED, linewidth=1.2, zorder=1)
        set_limits(axis, _own(panel), ["singular_entropy"], AFTER, log=True)
        for model, points in ours.groupby("model", sort=False):
            mark_clipped(axis, points.step, points.singular_entropy, styles[str(model)]["color"])
        for _, points in paper.groupby("model", sort=False):
            mark_clipped(axis, steps[points.index], points.singular_entropy, PUBLISHED)
        axis.set_ylabel("singular entropy (nats)")
        size_legend(axis, styles)
    figure.suptitle("Singular entropy of the LM head over training")
    marks = [clipped_handle()] if drawn.clipped.any() else []
    figure_legend(figure, source_handles(drawn) + marks)
    return figure


if __name__ == "__main__":
    with figure_job(snakemake) as (files, options):
        curves = curves_drawn(
            read_frames("checkpoint_metrics", files.metrics), pd.read_csv(files.published), options.names
        )
        save_figure(draw(curves), curves, snakemake.output)
