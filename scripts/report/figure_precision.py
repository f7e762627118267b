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

from lm_saturation.figures.long_panels import draw_rows, long_curves
from lm_saturation.figures.panels import empty_figure, log_axis
from lm_saturation.figures.style import figure_job, save_figure
from lm_saturation.io.tables import read_frames
from lm_saturation.statistics.intervals import mean_interval

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

INCREASE = 0.006  # nats; the smallest increase of the loss in the paper's Fig 1a
LINEAR = 1e-3  # nats; the axis is linear up to there
RAW = "raw head"
QUANTITIES = {
    "bfloat16": {
        RAW: lambda metrics: metrics.loss_bfloat16 - metrics.loss_float32,
        "centred": lambda metrics: metrics.loss_bfloat16_centred - metrics.loss_float32_centred,
    },
    "float16": {
        RAW: lambda metrics: metrics.loss_float16 - metrics.loss_float32,
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


def with_means(curves: pd.DataFrame) -> pd.DataFrame:
    """The same rows with `mean`, `low` and `high` of each suite, quantity and variant.

    The mean over models of their means over checkpoints, and its 95 % interval over models: checkpoints of one model
    are not independent. Without a cost of rounding it lies at 0, and single values are noise of either sign.
    """
    own = curves[curves.duplicate == 0]
    names = ["suite", "quantity", "variant"]
    means = own.groupby([*names, "model"]).value.mean()
    parts = {key: mean_interval(models.to_numpy()) for key, models in means.groupby(names)}
    table = pd.DataFrame.from_dict(parts, orient="index", columns=["mean", "low", "high"])
    keys = list(map(tuple, curves[names].to_numpy()))
    found = table.reindex(pd.MultiIndex.from_tuples(keys, names=names)) if keys else table
    return curves.assign(**{name: found[name].to_numpy(float) for name in table})


def draw(drawn: pd.DataFrame) -> Figure:
    """One row per suite: the penalty in bfloat16 and in float16, and how large the offset of the logits is."""
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
    if len(panel):
        axis.text(0.5, 0.98, _said(panel), ha="center", va="top", fontsize="x-small", transform=axis.transAxes)
    axis.set_yscale("symlog", linthresh=LINEAR, linscale=0.5)
    axis.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=LINEAR))
    low, high = float(panel.value.min()), float(panel.value.max())
    axis.set_ylim(min(-LINEAR, 1.5 * low), max(LINEAR, 1.5 * high))


def _said(panel: pd.DataFrame) -> str:
    """Whether the penalties of the raw head are a cost or noise, in a line."""
    raw = panel[panel.variant == RAW]
    mean, low, high = raw[["mean", "low", "high"]].iloc[0]
    if pd.isna(low):
        return f"mean {mean:.1g} nats; one model, no interval"
    if low <= 0 <= high:
        said = "noise: the interval holds 0"
    elif max(-low, high) < INCREASE:
        said = f"not noise, but below {INCREASE}, the smallest increase in Fig 1a"
    else:
        said = "not noise"
    return f"mean {mean:.1g} [{low:.1g}, {high:.1g}] nats\n{said}"


if __name__ == "__main__":
    with figure_job(snakemake) as (files, _):
        curves = with_means(long_curves(read_frames("checkpoint_metrics", files.metrics), QUANTITIES))
        save_figure(draw(curves), curves, snakemake.output)
