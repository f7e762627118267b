"""Rule `figure_2`: anisotropy of every layer at the last checkpoint, one panel per suite (arXiv 2404.07647, Fig 2)."""

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from lm_saturation.figures.panels import (
    KEYS,
    by_size,
    empty_figure,
    figure_legend,
    join,
    published_beside,
    size_legend,
    size_styles,
    source_handles,
    suite_panels,
)
from lm_saturation.figures.style import PUBLISHED, figure_job, save_figure
from lm_saturation.io.tables import read_frames

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
    return join(
        ours.assign(source="ours"), published_beside(ours, published, names).assign(source="paper"), columns=COLUMNS
    )


def draw(drawn: pd.DataFrame) -> Figure:
    """One panel per suite, one line per model; all of the paper's where a suite has none of its models."""
    if drawn.empty:
        return empty_figure("Anisotropy of the layers: no suite has a checkpoint.")
    figure, panels = suite_panels(list(drawn.suite.unique()))
    for suite, axis in panels.items():
        panel = drawn[drawn.suite == suite]
        styles = size_styles(panel[panel.source == "ours"])
        for (model, source), points in panel.groupby(["model", "source"], sort=False):
            if source == "paper":
                axis.plot(points.depth, points.anisotropy, color=PUBLISHED, linewidth=0.9, zorder=1)
            else:
                axis.plot(points.depth, points.anisotropy, markersize=3, linewidth=1.2, **styles[model])
        low = min(0.0, float(panel.anisotropy.min()))
        axis.set(xlabel="depth (layer / layers)", ylabel="mean cosine of hidden states", ylim=(low - 0.02, 1.02))
        size_legend(axis, styles)
    figure.suptitle("Anisotropy of the layers at the end of training")
    figure_legend(figure, source_handles(drawn))
    return figure


if __name__ == "__main__":
    with figure_job(snakemake) as (files, options):
        curves = curves_drawn(
            read_frames("checkpoint_metrics", files.metrics),
            read_frames("layer_metrics", files.layers),
            pd.read_csv(files.published),
            options.names,
        )
        save_figure(draw(curves), curves, snakemake.output)
