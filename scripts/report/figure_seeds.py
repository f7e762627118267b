"""Rule `figure_seeds`: 42 published trainings of Pythia by size and seed: divergence, and loss on unigram text."""

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from lm_saturation.evidence.pythia_seeds import FROM_STEP, OF_PAPER, WIDTHS
from lm_saturation.figures.numbers import short_number
from lm_saturation.figures.panels import figure_legend
from lm_saturation.figures.style import figure_job, save_figure

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

LINEAR, TICKS = 0.002, [0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05]  # nats; linear below
LARGE = "1b to 12b"  # one panel: one training each
PANELS = ["14m", "70m", "160m", "410m", LARGE]
QUANTITIES = {"excess": "divergence over\nits minimum (nats)", "unigram": "loss on unigram\ntext (nats/token)"}


def curves_drawn(checkpoints: pd.DataFrame) -> pd.DataFrame:
    """Both quantities over steps, by panel, size and seed."""
    late = checkpoints[checkpoints.step >= FROM_STEP].sort_values(["model", "variant", "step"])
    least = late.groupby(["model", "variant"]).js_model_token.transform("min")
    size = late.model.str.removeprefix("pythia-")
    return pd.DataFrame(
        {
            "panel": size.where(size.isin(PANELS), LARGE),
            "size": size,
            "seed": late.variant,
            "step": late.step,
            "excess": late.js_model_token - least,
            "unigram": late.loss_on_unigram_text,
        }
    ).reset_index(drop=True)


def look(size: str, seed: str) -> dict[str, Any]:
    """The paper's run stands out among other seeds; other sizes have their own colours."""
    if seed == OF_PAPER and size in PANELS:
        return {"color": "black", "lw": 1.8, "zorder": 3}
    if seed.startswith("warmup"):
        return {"color": "C1", "lw": 1.1, "ls": (0, (4, 2))}
    return {"color": "C0", "lw": 0.9, "alpha": 0.8}


def draw(drawn: pd.DataFrame) -> Figure:
    """A column per size; rows: divergence over its minimum, loss on unigram text."""
    figure, axes = plt.subplots(
        len(QUANTITIES), len(PANELS), figsize=(9.0, 4.8), sharex=True, sharey="row", squeeze=False
    )
    for row, (quantity, label) in zip(axes, QUANTITIES.items(), strict=True):
        for axis, panel in zip(row, PANELS, strict=True):
            for (size, seed), curve in drawn[drawn.panel == panel].groupby(["size", "seed"]):
                axis.plot(curve.step, curve[quantity], marker="o", ms=2, **look(str(size), str(seed)))
            axis.set_xscale("log")
            axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0), numticks=8))
            axis.xaxis.set_minor_locator(NullLocator())
            axis.xaxis.set_major_formatter(FuncFormatter(lambda step, _: short_number(step)))
            axis.tick_params(axis="x", labelrotation=45)
        row[0].set_ylabel(label)
    axes[0, 0].set_yscale("symlog", linthresh=LINEAR)
    axes[0, 0].set_yticks(TICKS)
    axes[0, 0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes[0, 0].set_ylim(-0.0003, 0.12)
    axes[1, 0].set_ylim(8, 23)
    for axis, panel in zip(axes[0], PANELS, strict=True):
        runs = drawn[drawn.panel == panel][["size", "seed"]].drop_duplicates()
        width = f", d = {WIDTHS[panel]}" if panel in WIDTHS else ""
        axis.set_title(f"{panel.upper().replace(' TO ', ' to ')}{width}\n{len(runs)} trainings", fontsize="small")
    for axis in axes[-1]:
        axis.set_xlabel("training step")
    handles = [
        Line2D([], [], label="the paper's run", **look("14m", OF_PAPER)),
        Line2D([], [], label="other seeds, or other sizes", **look("14m", "seed1")),
        Line2D([], [], label="longer warm-up", **look("14m", "warmup01")),
    ]
    figure.suptitle("Pythia by size and seed: which trainings saturate?")
    figure_legend(figure, handles)
    return figure


if __name__ == "__main__":
    with figure_job(snakemake) as (files, _):
        curves = curves_drawn(pd.read_csv(files.checkpoints))
        save_figure(draw(curves), curves, snakemake.output)
