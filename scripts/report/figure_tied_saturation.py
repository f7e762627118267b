"""Rule `figure_tied_saturation`: do tied heads degenerate? The metrics of figures 3 to 5 by remedy."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from scripts.common.jobs import job
from scripts.report.style import save_figure, set_style
from scripts.report.suites import figure_legend, join, log_axis, read_suites
from scripts.report.tied import draw_curves, over_seeds, remedy_handles, step_axis

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = ["panel", "remedy", "step", "rank", "value", "low", "high"]
OVER_STEPS = {
    "anisotropy": "anisotropy",
    "singular_entropy": "singular entropy (nats)",
    "singular_entropy_centred": "centred singular entropy (nats)",
}
SPECTRUM = "centred singular values, share"


def curves_drawn(training: pd.DataFrame, spectra: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds with their intervals: over steps, and the last spectrum by rank."""
    parts = [over_seeds(training, column).assign(panel=column) for column in OVER_STEPS]
    last = spectra[spectra.step == spectra.step.max()]
    largest = last.groupby(["remedy", "seed"]).singular_value_centred.transform("max")
    shares = last.assign(share=last.singular_value_centred / largest)
    parts.append(over_seeds(shares, "share", ("remedy", "rank")).assign(panel="spectrum"))
    return join(*parts, columns=COLUMNS)


def draw(drawn: pd.DataFrame) -> Figure:
    """Three panels over steps, one over ranks."""
    figure, axes = plt.subplots(2, 2, figsize=(7.6, 5.6))
    last = int(drawn.step.max())
    for axis, (column, label) in zip(axes.flat, OVER_STEPS.items(), strict=False):
        draw_curves(axis, drawn[drawn.panel == column])
        step_axis(axis, last)
        axis.set_ylabel(label)
    axis = axes[1][1]
    draw_curves(axis, drawn[drawn.panel == "spectrum"], "rank")
    log_axis(axis)
    axis.set_xlabel("rank, at the end of the training")
    axis.set_ylabel(SPECTRUM)
    figure.suptitle("Heads and hidden states with each remedy; bands: 95 % intervals")
    figure_legend(figure, remedy_handles(drawn.remedy))
    return figure


if __name__ == "__main__":
    with job(snakemake):
        files = snakemake.input
        set_style(snakemake.params.palette)
        curves = curves_drawn(read_suites("tied_training", files.training), read_suites("tied_spectrum", files.spectra))
        save_figure(draw(curves), curves, snakemake.output)
