"""Rule `figure_tied_saturation`: do tied heads degenerate? The metrics of figures 3 to 5 by remedy."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from lm_saturation.figures.panels import figure_legend, join, log_axis
from lm_saturation.figures.remedy_panels import (
    POSITIVE,
    draw_curves,
    in_first_setting,
    over_seeds,
    remedy_handles,
    step_axis,
)
from lm_saturation.figures.style import figure_job, save_figure
from lm_saturation.io.tables import read_frames

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = ["panel", "remedy", "step", "rank", "value", "low", "high"]
OVER_STEPS = {
    "anisotropy": "anisotropy",
    "singular_entropy": "singular entropy (nats)",
    "singular_entropy_centred": "centred singular entropy (nats)",
}
POSSIBLE = {"anisotropy": (-1.0, 1.0), "singular_entropy": POSITIVE, "singular_entropy_centred": POSITIVE}
SHARE = (0.0, 1.0)
SPECTRUM = "centred singular values, share"


def curves_drawn(training: pd.DataFrame, spectra: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds with their intervals: over steps, and the last spectrum by rank. Of settings, the first."""
    training, spectra = in_first_setting(training), in_first_setting(spectra)
    parts = [over_seeds(training, column, possible=POSSIBLE[column]).assign(panel=column) for column in OVER_STEPS]
    last = spectra[spectra.step == spectra.step.max()]
    largest = last.groupby(["remedy", "seed"]).singular_value_centred.transform("max")
    shares = last.assign(share=last.singular_value_centred / largest)
    parts.append(over_seeds(shares, "share", ("remedy", "rank"), SHARE).assign(panel="spectrum"))
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
    with figure_job(snakemake) as (files, _):
        curves = curves_drawn(read_frames("tied_training", files.training), read_frames("tied_spectrum", files.spectra))
        save_figure(draw(curves), curves, snakemake.output)
