"""Rule `figure_natural_experiments`: the same width, data and tokens, but other batches, versions or duplicates.

Published evaluations of Pythia: does a model of this width always saturate (arXiv 2404.07647, section 6)?
"""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from lm_saturation.figures.panels import figure_legend, log_axis
from lm_saturation.figures.style import LINES, MARKERS, WIDTH, figure_job, save_figure
from lm_saturation.io.tables import read_frames

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

SIZES = ["70m", "160m", "410m"]
SHOTS = [0, 5]
DRAWN_FROM = 0.05  # of the tokens; before, perplexities are too large to be drawn beside the others
COLUMNS = ["size", "hidden_size", "num_fewshot", "variant", "suite", "model", "step", "tokens", "value", "low", "high"]
VARIANTS = ["v1, 2M-token batches", "v1, deduplicated", "v1, small batches", "v0", "v0, deduplicated"]


def variant(suite: str, model: str) -> str:
    """What is other about this training: version, batch or text."""
    if model.endswith("tokBS"):
        return "v1, small batches"
    version = suite.removeprefix("pythia-")
    if model.endswith("deduped"):
        return f"{version}, deduplicated"
    return "v1, 2M-token batches" if version == "v1" else version


def curves_drawn(scores: pd.DataFrame) -> pd.DataFrame:
    """LAMBADA perplexity against tokens, by size and number of shots; an interval of one standard error."""
    own = scores[(scores.task == "lambada_openai") & (scores.metric == "perplexity")]
    own = own.assign(size=own.model.str.split("-").str[0])
    own = own[
        own["size"].isin(SIZES) & (own.tokens > DRAWN_FROM * own.groupby(["suite", "model"]).tokens.transform("max"))
    ]
    own = own.assign(variant=[variant(suite, model) for suite, model in zip(own.suite, own.model, strict=True)])
    own = own.assign(low=own.value - own.stderr, high=own.value + own.stderr)
    return own[COLUMNS].sort_values(["size", "num_fewshot", "variant", "tokens"]).reset_index(drop=True)


def draw(drawn: pd.DataFrame) -> Figure:
    """One column per size, one row per number of shots."""
    figure, axes = plt.subplots(len(SHOTS), len(SIZES), figsize=(WIDTH, 4.6), sharex=True, squeeze=False)
    styles = {name: (f"C{number}", MARKERS[number], LINES[number % len(LINES)]) for number, name in enumerate(VARIANTS)}
    for row, shots in zip(axes, SHOTS, strict=True):
        for axis, size in zip(row, SIZES, strict=True):
            panel = drawn[(drawn["size"] == size) & (drawn.num_fewshot == shots)]
            for name, curve in panel.groupby("variant"):
                colour, marker, line = styles[str(name)]
                axis.plot(curve.tokens / 1e9, curve.value, color=colour, marker=marker, ls=line, ms=3, lw=1.2)
                axis.fill_between(curve.tokens / 1e9, curve.low, curve.high, color=colour, alpha=0.15, lw=0)
            log_axis(axis)
            axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0), numticks=8))
            width = int(panel.hidden_size.iloc[0]) if len(panel) else 0
            axis.set_title(f"{size.upper()}, d = {width}, {shots}-shot", fontsize="small")
        row[0].set_ylabel("LAMBADA perplexity")
    for axis in axes[-1]:
        axis.set_xlabel("tokens seen (billions)")
    figure.suptitle("The same width, other optimisation: does it saturate?")
    handles = [
        Line2D([], [], color=colour, marker=marker, ls=line, ms=4, label=name)
        for name, (colour, marker, line) in styles.items()
    ]
    figure_legend(figure, handles)
    return figure


if __name__ == "__main__":
    with figure_job(snakemake) as (files, _):
        curves = curves_drawn(read_frames("ability_scores", [files.published]))
        save_figure(draw(curves), curves, snakemake.output)
