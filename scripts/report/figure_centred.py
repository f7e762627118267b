"""Rule `figure_centred`: does the collapse survive when what softmax cannot see is removed?

Softmax is the same for a head W and W + 1uᵀ, so the mean row of the head, and whatever it adds to the largest singular
value, is not decided by the data. Centred: the head without its mean row, the hidden states without their mean.
"""

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lm_saturation.figures.long_panels import draw_rows, long_curves
from lm_saturation.figures.panels import KEYS, empty_figure, set_limits
from lm_saturation.figures.style import figure_job, save_figure
from lm_saturation.io.tables import read_frames

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

QUANTITIES = {
    "singular_entropy": {
        "raw": lambda metrics: metrics.singular_entropy,
        "centred": lambda metrics: metrics.singular_entropy_centred,
    },
    "anisotropy": {
        "raw": lambda metrics: metrics.anisotropy,
        "centred": lambda metrics: metrics.anisotropy_centred,
    },
    "mean_share": {
        "LM head": lambda metrics: metrics.head_mean_share,
        "hidden states": lambda metrics: metrics.hidden_mean_share,
    },
}
LABELS = {
    "singular_entropy": "singular entropy of the head (nats)",
    "anisotropy": "last-layer anisotropy",
    "mean_share": "share of squared norm on the mean",
}


def draw(drawn: pd.DataFrame) -> Figure:
    """One row per suite: singular entropy, anisotropy, and the share of the mean."""
    if drawn.empty:
        return empty_figure("Raw against centred: no suite has a model with two checkpoints of its own.")
    figure = draw_rows(drawn, LABELS, _finish)
    figure.suptitle("The collapse with and without the direction that softmax cannot see")
    return figure


def _finish(axis: Axes, quantity: str, panel: pd.DataFrame) -> None:
    if quantity == "singular_entropy":
        own = panel[panel.duplicate == 0]
        set_limits(axis, [curve for _, curve in own.groupby([*KEYS, "variant"])], ["value"], 0.05, log=True)
    else:
        axis.set_ylim(min(0.0, float(panel.value.min())) - 0.02, 1.02)


if __name__ == "__main__":
    with figure_job(snakemake) as (files, _):
        curves = long_curves(read_frames("checkpoint_metrics", files.metrics), QUANTITIES)
        save_figure(draw(curves), curves, snakemake.output)
