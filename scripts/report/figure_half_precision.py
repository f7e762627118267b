"""Rule `figure_half_precision`: what precision and kind of head change in trainings of small models."""

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter

from lm_saturation.claims.half_precision import MARGIN
from lm_saturation.figures.panels import empty_figure, join
from lm_saturation.figures.style import MARKERS, WIDTH, figure_job, save_figure
from lm_saturation.invisible.training_differences import HEAD, PRECISION
from lm_saturation.io.tables import read_csv

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

MODEL = ["source", "suite", "model", "step"]
HEADS = {"plain": "plain", "centred": "centred", "z_loss": "z-loss", "coupled": "coupled"}
PRECISIONS = {
    "float32": "float32",
    "bfloat16_logits": "bfloat16\nlogits",
    "float16_logits": "float16\nlogits",
    "bfloat16": "bfloat16",
    "float16": "float16",
}
NUMBERS = ["difference_nats", "difference_low", "difference_high"]
COLUMNS = [*MODEL, "compared", "precision", "head", "seed", *NUMBERS, "logit_offset", "entropy_share"]
TICKS = [sign * size for sign in (-1, 1) for size in (0.005, 0.01, 0.03, 0.1, 0.3, 1)] + [0.0]  # nats
SPACE = 0.16  # between heads of one precision


def drawn_numbers(trainings: pd.DataFrame, differences: pd.DataFrame) -> pd.DataFrame:
    """The differences, and below them the trainings; singular entropy as a share of its largest value, log d."""
    shares = trainings.singular_entropy / np.log(trainings.hidden_size.to_numpy(float))
    return join(differences, trainings.assign(entropy_share=shares), columns=COLUMNS)


def draw(drawn: pd.DataFrame) -> Figure:
    """One row a model: against float32, against a plain head, and what softmax does not see."""
    if drawn.empty:
        return empty_figure("Half precision: no model was trained so (causes.training.models).")
    models = list(drawn.groupby(MODEL, sort=False))
    figure, axes = plt.subplots(
        len(models), 3, figsize=(WIDTH + 2, 2.3 * len(models) + 1), squeeze=False, width_ratios=(3, 3, 2)
    )
    for line, (keys, rows) in zip(axes, models, strict=True):
        _draw_differences(line[0], rows[rows.compared == PRECISION])
        _draw_differences(line[1], rows[rows.compared == HEAD])
        _draw_heads(line[2], rows[rows.compared.isna()])
        _, suite, model, step = keys
        line[0].set_ylabel(f"{suite}/{model}, {step:,} updates\nnats/token")
    axes[0][0].set_title("Loss less that in float32")
    axes[0][1].set_title("Loss less that of a plain head")
    axes[0][2].set_title("Unseen by softmax")
    handles = [Line2D([], [], label=label, **_look(head)) for head, label in HEADS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize="small")
    figure.suptitle("Trained in half precision")
    return figure


def _look(head: str) -> dict[str, Any]:
    place = list(HEADS).index(head)
    return {"color": f"C{place}", "marker": MARKERS[place], "markersize": 4, "linestyle": ""}


def _draw_differences(axis: Axes, rows: pd.DataFrame) -> None:
    """Means and intervals by precision, the heads side by side."""
    precisions = [precision for precision in PRECISIONS if (rows.precision == precision).any()]
    heads = [head for head in HEADS if (rows["head"] == head).any()]
    axis.axhspan(-MARGIN.value, MARGIN.value, color="0.92", zorder=0)
    axis.axhline(0, color="0.6", linewidth=0.8, zorder=1)
    for number, head in enumerate(heads):
        own = rows[rows["head"] == head]
        places = [precisions.index(name) + SPACE * (number - (len(heads) - 1) / 2) for name in own.precision]
        ends = np.abs(own[["difference_low", "difference_high"]].to_numpy(float).T - own.difference_nats.to_numpy())
        axis.errorbar(places, own.difference_nats, yerr=np.nan_to_num(ends), linewidth=1, **_look(head))
    axis.set_yscale("symlog", linthresh=MARGIN.value)
    axis.yaxis.set_major_locator(FixedLocator(TICKS))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_xticks(range(len(precisions)), [PRECISIONS[name] for name in precisions], fontsize="x-small")


def _draw_heads(axis: Axes, rows: pd.DataFrame) -> None:
    for head in HEADS:
        own = rows[rows["head"] == head]
        axis.plot(own.logit_offset, own.entropy_share, **_look(head) | {"markerfacecolor": "none"})
    axis.set_xscale("symlog", linthresh=0.1)
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set(xlabel="offset of the logits (nats)", ylabel="singular entropy / log d")


if __name__ == "__main__":
    with figure_job(snakemake) as (files, _):
        numbers = drawn_numbers(
            read_csv("table_offset_training", files.trainings), read_csv("half_precision", files.differences)
        )
        save_figure(draw(numbers), numbers, snakemake.output)
