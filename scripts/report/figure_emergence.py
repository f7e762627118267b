"""Rule `figure_emergence`: performance against loss, one point per checkpoint (arXiv 2403.15796, Figs 1 to 3)."""

from typing import TYPE_CHECKING

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from lm_saturation.figures.panels import SIZE_MAP
from lm_saturation.figures.style import MARKERS, WIDTH, figure_job, save_figure
from lm_saturation.io.tables import read_table

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

PUBLISHED = [("pythia-v1", 5, task) for task in ("sciq", "arc_easy", "piqa", "mmlu")]  # against LAMBADA's loss
LIGHTEST = 0.88  # of the colours: lighter ones cannot be seen on white
METRICS = {
    "acc": "accuracy",
    "correct_choice_prob": "CorrectChoiceProb, of choices",
    "correct_choice_prob_vocabulary": "CorrectChoiceProb, of all texts",
    "brier": "Brier score",
}
COLUMNS = ["panel", "unit", "ylabel", "suite", "model", "step", "parameters", "loss", "value", "stderr", "chance"]
KEYS = ["family", "loss_measure", "task", "num_fewshot", "metric"]


def points_drawn(points: pd.DataFrame, fits: pd.DataFrame) -> pd.DataFrame:
    """Every metric of every task of the suites measured here, and some published tasks; η where a kink was found."""
    ours = points[(points.loss_measure == "held_out") & points.metric.isin(list(METRICS))]
    parts = [
        points[
            (points.family == family)
            & (points.loss_measure == "lambada")
            & (points.num_fewshot == shots)
            & (points.task == task)
            & (points.metric == "acc")
        ]
        for family, shots, task in PUBLISHED
    ]
    drawn = pd.concat([ours, *parts], ignore_index=True)
    shots = ", " + drawn.num_fewshot.astype(str) + "-shot"
    order = {metric: number for number, metric in enumerate(METRICS)}
    drawn = drawn.assign(
        panel=drawn.family + ", " + drawn.task + shots.where(drawn.num_fewshot > 0, ""),
        ylabel=drawn.metric.map(METRICS),
        place=drawn.metric.map(order),
        first=drawn.groupby(KEYS, sort=False).ngroup(),
    )
    drawn = drawn.sort_values(["first", "parameters", "step"], kind="stable")
    kinks = fits[fits.kinked == 1][[*KEYS, "tipping_point"]].astype({key: points[key].dtype for key in KEYS})
    return drawn.merge(kinks, on=KEYS, how="left")[[*COLUMNS, "tipping_point"]]


def draw(drawn: pd.DataFrame) -> Figure:
    """Four panels a row."""
    panels = drawn.drop_duplicates(["panel", "ylabel"])[["panel", "ylabel"]].to_numpy().tolist()
    rows = -(-len(panels) // 4)
    figure, axes = plt.subplots(rows, 4, figsize=(WIDTH * 1.25, 2.1 * rows + 0.6), squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    for axis, (panel, ylabel) in zip(axes.flat, panels, strict=False):
        _draw_panel(axis, drawn[(drawn.panel == panel) & (drawn.ylabel == ylabel)])
        axis.set_title(panel, fontsize="small")
        axis.set_ylabel(ylabel, fontsize="small")
    bar = figure.colorbar(mpl.cm.ScalarMappable(cmap=SIZE_MAP), ax=axes, shrink=0.5, aspect=30, ticks=[0, LIGHTEST])
    bar.ax.set_yticklabels(["smallest", "largest"], rotation=90, va="center")
    bar.set_label("model of the panel")
    figure.suptitle("Performance against loss: one point per checkpoint")
    return figure


def _draw_panel(axis: Axes, points: pd.DataFrame) -> None:
    norm = LogNorm(points.parameters.min(), max(points.parameters.max(), points.parameters.min() + 1))
    for number, (_, own) in enumerate(points.groupby(["parameters", "suite", "model"])):
        colour = SIZE_MAP(LIGHTEST * norm(own.parameters.iloc[0]))
        axis.scatter(own.loss, own.value, s=9, linewidths=0, color=colour, marker=MARKERS[number % len(MARKERS)])
    if points.chance.notna().all():
        axis.axhline(points.chance.mean(), color="0.4", ls="--", lw=1)
    if points.tipping_point.notna().any():
        axis.axvline(points.tipping_point.iloc[0], color="0.4", ls=":", lw=1)
    axis.invert_xaxis()  # training goes to the right
    axis.set_xlabel(f"loss ({points.unit.iloc[0]})", fontsize="small")
    axis.tick_params(labelsize="small")


if __name__ == "__main__":
    with figure_job(snakemake) as (files, _):
        points = read_table("emergence_points", files.points).to_pandas()
        texts = {name: str for name in points if isinstance(points[name].dtype, pd.CategoricalDtype)}
        drawn = points_drawn(points.astype(texts), read_table("emergence_fits", files.fits).to_pandas())
        save_figure(draw(drawn), drawn, snakemake.output)
