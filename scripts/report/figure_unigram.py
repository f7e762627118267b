"""Rule `figure_unigram`: loss over training on random text of the corpus's unigram and bigram law.

Where a model saturates, published trainings of Pythia lose whole nats on such text (evidence/pythia_seeds.py).
"""

from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lm_saturation.evidence.pythia_seeds import FROM_STEP, OF_PAPER, WIDTHS
from lm_saturation.figures.panels import (
    KEYS,
    PAPER,
    draw_duplicates,
    empty_figure,
    figure_legend,
    first_of_row,
    join,
    model_panels,
    other_published,
    published_curves,
    set_limits,
    source_handles,
    trajectories,
)
from lm_saturation.figures.style import PUBLISHED, figure_job, save_figure
from lm_saturation.io.tables import read_frames

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

LAWS = {"loss_on_unigram_text": "unigram text", "loss_on_bigram_text": "bigram text"}
LOOKS: dict[str, tuple[str, Any]] = {"loss_on_unigram_text": ("C0", "-"), "loss_on_bigram_text": ("C1", (0, (3, 1.5)))}
COLUMNS = [*KEYS, "parameters", "source", "step", "share", *LAWS, "duplicate"]
AFTER = 0.2  # share of the steps after which the losses decide the limits of their axis, as in figure 1a


def curves_drawn(metrics: pd.DataFrame, seeds: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """Both losses at every checkpoint, beside those of the runs that the paper measures."""
    ours = trajectories(metrics)
    ours = ours.assign(source="ours", **ours[list(LAWS)].astype(float)).dropna(subset=list(LAWS))
    places = {f"pythia-{size}": place for place, size in enumerate(WIDTHS)}
    runs = seeds[(seeds.variant == OF_PAPER) & (seeds.step >= FROM_STEP)]
    runs = runs.assign(place=runs.model.map(places)).sort_values(["place", "step"])
    paper = [published_curves(ours, runs, names), other_published(ours, runs, names)]
    return join(ours, *(part.assign(source="paper", duplicate=0) for part in paper), columns=COLUMNS)


def draw(drawn: pd.DataFrame) -> Figure:
    """One panel per model; the published trainings that none of ours is in panels of their own."""
    if drawn.empty:
        return empty_figure("Loss on random text: measured of no model with two checkpoints of its own.")
    figure, panels = model_panels(drawn, 1.7, sharey="row")
    for (suite, model), axis in panels.items():
        row = drawn[drawn.suite == suite]
        points = row[row.model == model]
        x = "share" if suite == PAPER else "step"
        for law, (colour, line) in LOOKS.items():
            for source, curve in points.groupby("source"):
                own = curve[curve.duplicate == 0]
                look: dict[str, Any] = (
                    {"color": colour, "lw": 1.3} if source == "ours" else {"color": PUBLISHED, "lw": 2, "zorder": 1}
                )
                axis.plot(own[x], own[law], linestyle=line, **look)
                copies = curve[curve.duplicate == 1]
                draw_duplicates(axis, copies[x], copies[law], colour)
        set_limits(axis, [curve for _, curve in row.groupby(["model", "source"])], list(LAWS), AFTER)
        if first_of_row(axis):
            axis.set_ylabel(f"{suite}\nloss (nats/token)")
    handles = [Line2D([], [], color=colour, linestyle=line, label=LAWS[law]) for law, (colour, line) in LOOKS.items()]
    figure.suptitle("Loss on random text of the corpus's own frequencies")
    figure_legend(figure, [*handles, *source_handles(drawn)])
    return figure


if __name__ == "__main__":
    with figure_job(snakemake) as (files, options):
        curves = curves_drawn(read_frames("checkpoint_metrics", files.metrics), pd.read_csv(files.seeds), options.names)
        save_figure(draw(curves), curves, snakemake.output)
