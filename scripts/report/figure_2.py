"""Rule `figure_2`: anisotropy of every layer at the last checkpoint, a panel a suite (arXiv 2404.07647, Fig 2)."""

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from scripts.common.jobs import job
from scripts.report.style import PUBLISHED, save_figure, set_style
from scripts.report.suites import (
    KEYS,
    by_size,
    empty_figure,
    figure_legend,
    join,
    paper_handle,
    paper_rows,
    read_suites,
    size_legend,
    size_styles,
    suite_panels,
)

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = [*KEYS, "parameters", "source", "step", "layer", "depth", "state", "anisotropy"]


def curves_drawn(
    metrics: pd.DataFrame, layers: pd.DataFrame, published: pd.DataFrame, names: dict[str, str]
) -> pd.DataFrame:
    """Anisotropy against depth at the last checkpoint that is no duplicate; the last point is after the final norm."""
    own = by_size(metrics[metrics.duplicate_of.isna()])
    last = own.groupby(KEYS, sort=False)[[*KEYS, "step", "parameters"]].tail(1)
    ours = last.merge(layers, on=[*KEYS, "step"]).sort_values("layer", kind="stable")
    ours = ours.sort_values("state", key=lambda state: state == "after_norm", kind="stable")
    ours = ours.drop_duplicates([*KEYS, "layer"], keep="last")  # the norm's output in place of its input
    ours = last[KEYS].merge(ours.sort_values("layer"), on=KEYS)
    return join(ours.assign(source="ours"), paper_rows(ours, published, names).assign(source="paper"), columns=COLUMNS)


def draw(drawn: pd.DataFrame) -> Figure:
    """A panel a suite, a line a model."""
    if drawn.empty:
        return empty_figure("Anisotropy of the layers: no suite has a checkpoint.")
    figure, panels = suite_panels(list(drawn.suite.unique()))
    for suite, axis in panels.items():
        panel = drawn[drawn.suite == suite]
        styles = size_styles(panel)
        for (model, source), points in panel.groupby(["model", "source"], sort=False):
            if source == "paper":
                axis.plot(points.depth, points.anisotropy, color=PUBLISHED, linewidth=1.5, zorder=1)
            else:
                axis.plot(points.depth, points.anisotropy, markersize=3, linewidth=1.2, **styles[model])
        low = min(0.0, float(panel.anisotropy.min()))
        axis.set(xlabel="depth (layer / layers)", ylabel="mean cosine of hidden states", ylim=(low - 0.02, 1.02))
        size_legend(axis, styles)
    figure.suptitle("Anisotropy of the layers at the end of training")
    figure_legend(figure, [paper_handle()] if (drawn.source == "paper").any() else [])
    return figure


if __name__ == "__main__":
    with job(snakemake):
        files, options = snakemake.input, snakemake.params
        set_style(options.palette)
        curves = curves_drawn(
            read_suites("checkpoint_metrics", files.metrics),
            read_suites("layer_metrics", files.layers),
            pd.read_csv(files.published),
            options.names,
        )
        save_figure(draw(curves), curves, snakemake.output)
