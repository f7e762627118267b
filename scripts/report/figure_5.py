"""Rule `figure_5`: singular entropy of the LM head over training, coloured by size (arXiv 2404.07647, Fig 5)."""

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from scripts.common.jobs import job
from scripts.report.style import PUBLISHED, save_figure, set_style
from scripts.report.suites import (
    KEYS,
    draw_curve,
    duplicate_handle,
    empty_figure,
    figure_legend,
    join,
    paper_handle,
    paper_rows,
    read_suites,
    set_limits,
    size_legend,
    size_styles,
    step_axis,
    suite_panels,
    trajectories,
)

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = [*KEYS, "parameters", "source", "step", "singular_entropy", "duplicate"]


def curves_drawn(metrics: pd.DataFrame, published: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """Singular entropy of the head at every checkpoint, ours and the paper's."""
    ours = trajectories(metrics).assign(source="ours")
    return join(ours, paper_rows(ours, published, names).assign(source="paper", duplicate=0), columns=COLUMNS)


def draw(drawn: pd.DataFrame) -> Figure:
    """A panel a suite, a line a model."""
    if drawn.empty:
        return empty_figure("Singular entropy: no suite has a model with two checkpoints of its own.")
    figure, panels = suite_panels(list(drawn.suite.unique()))
    for suite, axis in panels.items():
        panel = drawn[drawn.suite == suite]
        styles = size_styles(panel)
        curves = list(panel.groupby(["model", "source"], sort=False))
        for (model, source), points in curves:
            if source == "paper":
                axis.plot(points.step, points.singular_entropy, color=PUBLISHED, linewidth=1.5, zorder=1)
            else:
                draw_curve(axis, points, "singular_entropy", **styles[model])
        own = [points[points.duplicate == 0] for _, points in curves]
        set_limits(axis, own, ["singular_entropy"], 0.05, log=True)
        step_axis(axis)
        axis.set_ylabel("singular entropy (nats)")
        size_legend(axis, styles)
    figure.suptitle("Singular entropy of the LM head over training")
    handles = [paper_handle()] if (drawn.source == "paper").any() else []
    figure_legend(figure, handles + ([duplicate_handle()] if (drawn.duplicate == 1).any() else []))
    return figure


if __name__ == "__main__":
    with job(snakemake):
        files, options = snakemake.input, snakemake.params
        set_style(options.palette)
        curves = curves_drawn(
            read_suites("checkpoint_metrics", files.metrics), pd.read_csv(files.published), options.names
        )
        save_figure(draw(curves), curves, snakemake.output)
