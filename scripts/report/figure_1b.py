"""Rule `figure_1b`: final and best losses beside the scaling law (arXiv 2404.07647, Fig 1b)."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scripts.common.jobs import job
from scripts.common.tables import read_table
from scripts.report.style import PUBLISHED, save_figure, set_style
from scripts.report.suites import figure_legend, log_axis, paper_handle

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = ["panel", "series", "model", "checkpoint", "flops", "loss_nats", "gap", "gap_low", "gap_high"]
FLOPS = 6  # for each parameter and token: forward and backward (Kaplan et al. 2020)
MARKS = {"final": "x", "best": "+"}
LAWS = {"final": "-", "best": "--"}
COLOURS = {"final": "C0", "best": "C1"}


def law_of(fits: pd.DataFrame, suite: str | None) -> str:
    """The constants of the fit that is drawn: the paper's; five free ones where those leave nothing to N."""
    own = fits[(fits.suite == suite) if suite else (fits.source == "paper")]
    known = set(own[own.parameters_counted == "nominal"].constants)
    return next((name for name in ("hoffmann", "free") if name in known), "")


def curves_drawn(fits: pd.DataFrame, gaps: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Of the paper's points and of each suite: final and best losses, and the law at the same sizes and tokens."""
    parts = []
    for suite in [None, *dict.fromkeys(fits[fits.source == "ours"].suite)]:
        name = law_of(fits, suite)
        own = gaps[(gaps.suite == suite) if suite else (gaps.source == "paper")]
        own = own[(own.parameters_counted == "nominal") & (own.constants == name)]
        flops = FLOPS * own.parameters.astype(float) * own.tokens
        own = own.assign(panel=f"{suite or 'points of the paper'}, {name}", flops=flops)
        law = own.assign(loss_nats=own.predicted_nats, series="law", gap=None, gap_low=None, gap_high=None)
        parts += [own.assign(series="measured" if suite else "read off"), law]
        if suite is None and len(own):
            flops = FLOPS * published.nominal_parameters.astype(float) * published.tokens
            paper = published.assign(panel=own.panel.iloc[0], series="paper's law", flops=flops)
            parts.append(paper.assign(loss_nats=paper.curve_nats).dropna(subset="loss_nats"))
    drawn = pd.concat([part.reindex(columns=COLUMNS) for part in parts if len(part)], ignore_index=True)
    return drawn.sort_values(["panel", "series", "checkpoint", "flops"], kind="stable").reset_index(drop=True)


def draw(drawn: pd.DataFrame) -> Figure:
    """A panel for the paper's points, and one a suite."""
    panels = sorted(drawn.panel.unique(), key=lambda name: (not name.startswith("points of the paper"), name))
    figure, axes = plt.subplots(1, len(panels), figsize=(max(5.0, 3.5 * len(panels)), 3.3), squeeze=False)
    for axis, panel in zip(axes[0], panels, strict=True):
        part = drawn[drawn.panel == panel]
        for (series, checkpoint), points in part.groupby(["series", "checkpoint"], sort=False):
            ordered = points.sort_values("flops")
            if series == "paper's law":
                axis.plot(ordered.flops, ordered.loss_nats, color=PUBLISHED, lw=3, ls=LAWS[checkpoint], zorder=0)
            elif series == "law":
                axis.plot(ordered.flops, ordered.loss_nats, color=COLOURS[checkpoint], lw=1.2, ls=LAWS[checkpoint])
            else:
                mark = {"linestyle": "", "marker": MARKS[checkpoint], "markersize": 6, "markeredgewidth": 1.5}
                axis.plot(ordered.flops, ordered.loss_nats, color=COLOURS[checkpoint], **mark)
        axis.set_xscale("log")
        log_axis(axis)
        axis.set_xlabel("training compute, 6 N T (FLOP)")
        axis.set_title(panel, fontsize="small")
    axes[0][0].set_ylabel("loss (nats/token)")
    figure.suptitle("Losses beside the scaling law")
    handles = [
        Line2D([], [], ls="", marker=MARKS[name], color=COLOURS[name], markeredgewidth=1.5, label=f"{name} checkpoint")
        for name in MARKS
    ]
    handles += [Line2D([], [], color=COLOURS[name], ls=LAWS[name], label=f"law, {name}") for name in LAWS]
    figure_legend(figure, [*handles, paper_handle("the paper's law")])
    return figure


if __name__ == "__main__":
    with job(snakemake):
        files = snakemake.input
        set_style(snakemake.params.palette)
        fits = read_table("scaling_fit", files.fits).to_pandas()
        gaps = read_table("scaling_gaps", files.gaps).to_pandas()
        curves = curves_drawn(fits, gaps, pd.read_csv(files.published))
        save_figure(draw(curves), curves, snakemake.output)
