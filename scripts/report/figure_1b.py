"""Rule `figure_1b`: final and best losses beside the scaling law (arXiv 2404.07647, Fig 1b)."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lm_saturation.figures.panels import figure_legend, log_axis, paper_handle
from lm_saturation.figures.style import PUBLISHED, figure_job, save_figure
from lm_saturation.io.tables import read_table

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

MISFIT = ["misfit", "left_out", "points"]
COLUMNS = ["panel", "series", "model", "checkpoint", "flops", "loss_nats", "gap", "gap_low", "gap_high", *MISFIT]
FLOPS = 6  # for each parameter and token: forward and backward (Kaplan et al. 2020)
MARKS = {"final": "x", "best": "+"}
LAWS = {"final": "-", "best": "--"}
COLOURS = {"final": "C0", "best": "C1"}


def law_of(fits: pd.DataFrame, suite: str | None) -> str:
    """The constants of the fit that is drawn: the paper's; five free ones where those leave nothing to N."""
    own = fits[(fits.suite == suite) if suite else (fits.source == "paper")]
    known = set(own[own.parameters_counted == "nominal"].constants)
    return next((name for name in ("hoffmann", "free") if name in known), "")


def misfit_of(gaps: pd.DataFrame) -> dict[str, float]:
    """Root mean squares of what the law misses: of the points it was fitted to, and of sizes it was fitted without."""
    fitted = gaps[gaps.fitted == 1].drop_duplicates(["model", "step"])  # a best checkpoint may be the final one
    misfit, left_out = (float(np.sqrt((fitted[name].astype(float) ** 2).mean())) for name in ("gap", "held_out_error"))
    return {"misfit": misfit, "left_out": left_out, "points": len(fitted)}


def curves_drawn(fits: pd.DataFrame, gaps: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Of the paper's points and of each suite: final and best losses, and the law at the same sizes and tokens."""
    parts = []
    for suite in [None, *dict.fromkeys(fits[fits.source == "ours"].suite)]:
        name = law_of(fits, suite)
        own = gaps[(gaps.suite == suite) if suite else (gaps.source == "paper")]
        own = own[(own.parameters_counted == "nominal") & (own.constants == name)]
        flops = FLOPS * own.parameters.astype(float) * own.tokens
        own = own.assign(panel=f"{suite or 'points of the paper'}, {name}", flops=flops, **misfit_of(own))
        law = own.assign(loss_nats=own.predicted_nats, series="law", gap=None, gap_low=None, gap_high=None)
        parts += [own.assign(series="measured" if suite else "read off"), law]
        if suite is None and len(own):
            flops = FLOPS * published.nominal_parameters.astype(float) * published.tokens
            said = own[["panel", *MISFIT]].iloc[0]
            paper = published.assign(**said, series="paper's law", flops=flops)
            parts.append(paper.assign(loss_nats=paper.curve_nats).dropna(subset="loss_nats"))
    drawn = pd.concat([part.reindex(columns=COLUMNS) for part in parts if len(part)], ignore_index=True)
    return drawn.sort_values(["panel", "series", "checkpoint", "flops"], kind="stable").reset_index(drop=True)


def draw(drawn: pd.DataFrame) -> Figure:
    """A panel for the paper's points, and one per suite."""
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
        axis.text(0.98, 0.98, _said(part), ha="right", va="top", fontsize="x-small", transform=axis.transAxes)
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


def _said(part: pd.DataFrame) -> str:
    """How far the law lies from its own points, in words."""
    row = part.iloc[0]
    text = f"misfit: {100 * row.misfit:.2f} % rms of the {row.points:.0f} points here that it was fitted to"
    return text if pd.isna(row.left_out) else f"{text}\n{100 * row.left_out:.2f} % rms of sizes left out of the fit"


if __name__ == "__main__":
    with figure_job(snakemake) as (files, _):
        fits = read_table("scaling_fit", files.fits).to_pandas()
        gaps = read_table("scaling_gaps", files.gaps).to_pandas()
        curves = curves_drawn(fits, gaps, pd.read_csv(files.published))
        save_figure(draw(curves), curves, snakemake.output)
