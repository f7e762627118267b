"""Rule `figure_precision`: is part of saturation rounding? What logits in half precision cost over training.

A logit offset shared by all tokens changes nothing in exact arithmetic, but in half precision it takes the digits that
tell tokens apart. The penalty is the loss with rounded logits minus that with float32 logits, with the head as it is
and with its mean row removed, which removes the offset.
"""

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import SymmetricalLogLocator

from scripts.common.jobs import job
from scripts.report.long_panels import draw_rows, long_curves
from scripts.report.style import save_figure, set_style
from scripts.report.suites import empty_figure, log_axis, read_suites

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

LINEAR = 1e-3  # nats; the axis is linear up to there, and the paper's rises of the loss begin at .006
QUANTITIES = {
    "bfloat16": {
        "raw head": lambda metrics: metrics.loss_bfloat16 - metrics.loss_float32,
        "centred": lambda metrics: metrics.loss_bfloat16_centred - metrics.loss_float32_centred,
    },
    "float16": {
        "raw head": lambda metrics: metrics.loss_float16 - metrics.loss_float32,
        "centred": lambda metrics: metrics.loss_float16_centred - metrics.loss_float32_centred,
    },
    "offset": {
        "offset": lambda metrics: metrics.logit_offset_size / metrics.logit_spread.where(metrics.logit_spread > 0)
    },
}
LABELS = {
    "bfloat16": "penalty of bfloat16 logits (nats/token)",
    "float16": "penalty of float16 logits (nats/token)",
    "offset": "common offset of logits / their spread",
}


def draw(drawn: pd.DataFrame) -> Figure:
    """A row a suite: the penalty in bfloat16 and in float16, and how large the offset of the logits is."""
    if drawn.empty:
        return empty_figure("Rounding of logits: no suite has a model with two checkpoints of its own.")
    figure = draw_rows(drawn, LABELS, _finish)
    figure.suptitle("What rounded logits cost")
    return figure


def _finish(axis: Axes, quantity: str, panel: pd.DataFrame) -> None:
    if quantity == "offset":
        if (panel.value > 0).any():
            log_axis(axis)
        return
    axis.axhline(0, color="0.8", linewidth=0.6, zorder=0)
    axis.set_yscale("symlog", linthresh=LINEAR, linscale=0.5)
    axis.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=LINEAR))
    low, high = float(panel.value.min()), float(panel.value.max())
    axis.set_ylim(min(-LINEAR, 1.5 * low), max(LINEAR, 1.5 * high))


if __name__ == "__main__":
    with job(snakemake):
        set_style(snakemake.params.palette)
        curves = long_curves(read_suites("checkpoint_metrics", snakemake.input.metrics), QUANTITIES)
        save_figure(draw(curves), curves, snakemake.output)
