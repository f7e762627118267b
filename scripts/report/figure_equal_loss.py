"""Rule `figure_equal_loss`: is ability the same at the same loss, before and after saturation?"""

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scripts.common.jobs import job
from scripts.report.style import MARKERS, WIDTH, save_figure, set_style
from scripts.report.suites import read_suites

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

PATHS = ["lambada_openai", "sciq", "arc_easy"]  # tasks whose way is drawn
PATH = ("pythia-v1", "160m", 0)
NAMES = {"held_out": "held-out loss", "figure_1a": "held-out loss of Fig 1a", "lambada": "LAMBADA loss"}
CURVE = ["loss_measure", "suite", "model", "task", "num_fewshot", "metric"]
COLUMNS = ["part", *CURVE, "step", "loss", "value", "difference", "difference_low", "difference_high"]


def numbers_drawn(points: pd.DataFrame, pairs: pd.DataFrame, saturating: set[tuple[str, str]]) -> pd.DataFrame:
    """The way of one model through loss and ability, and the mean difference of every model that saturates."""
    suite, model, shots = PATH
    way = points[
        (points.loss_measure == "figure_1a")
        & (points.suite == suite)
        & (points.model == model)
        & (points.num_fewshot == shots)
        & points.task.isin(PATHS)
    ].sort_values(["task", "step"])
    means = pairs.drop_duplicates(CURVE)
    known = [(suite, model) in saturating for suite, model in zip(means.suite, means.model, strict=True)]
    means = means[known]
    parts = [way.assign(part="way"), means.assign(part="difference", loss=np.nan)]
    return pd.concat(parts, ignore_index=True).reindex(columns=COLUMNS)


def draw(drawn: pd.DataFrame) -> Figure:
    """Above, ability against loss along the training of one model; below, the mean differences."""
    means = drawn[drawn.part == "difference"]
    rows = 0.28 * means.task.nunique() + 1.2
    figure = plt.figure(figsize=(WIDTH, 2.9 + rows))
    halves: Any = figure.subfigures(2, 1, height_ratios=[2.6, rows])
    upper, lower = halves
    _draw_ways(upper, drawn[drawn.part == "way"])
    _draw_means(lower, means)
    return figure


def _draw_ways(figure: Any, ways: pd.DataFrame) -> None:
    axes = figure.subplots(1, len(PATHS))
    for axis, task in zip(axes, PATHS, strict=True):
        way = ways[ways.task == task]
        best = way.loss.argmin() if len(way) else 0
        for part, colour, marker, line in ((way[: best + 1], "C0", "o", "-"), (way[best:], "C1", "s", "--")):
            axis.plot(part.loss, 100 * part.value, color=colour, marker=marker, ls=line, ms=4, lw=1)
        axis.invert_xaxis()
        axis.set_title(task, fontsize="small")
        axis.set_xlabel("held-out loss (nats/token)", fontsize="small")
    axes[0].set_ylabel("accuracy (%)")
    figure.suptitle(f"Pythia-{PATH[1].upper()}: ability before (solid) and after (dashed) its loss was least")


def _draw_means(figure: Any, means: pd.DataFrame) -> None:
    tasks = list(dict.fromkeys(means.task))
    measures = list(dict.fromkeys(means.loss_measure)) or ["figure_1a"]
    axes = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    trainings = means.suite + " " + means.model + ", " + means.num_fewshot.astype(str) + "-shot"
    names = list(dict.fromkeys(trainings))
    for axis, measure in zip(axes, measures, strict=True):
        for number, name in enumerate(names):
            own = means[(means.loss_measure == measure) & (trainings == name)]
            places = [tasks.index(task) + 0.7 * (number + 0.5) / len(names) - 0.35 for task in own.task]
            errors = [own.difference - own.difference_low, own.difference_high - own.difference]
            style = {"color": f"C{number}", "fmt": MARKERS[number % len(MARKERS)], "ms": 3, "lw": 0.8}
            axis.errorbar(100 * own.difference, places, xerr=[100 * one.clip(lower=0) for one in errors], **style)
        axis.axvline(0, color="0.4", lw=0.8)
        axis.set_title(f"at equal {NAMES.get(measure, measure)}", fontsize="small")
        axis.set_xlabel("accuracy after less before (points)", fontsize="small")
    axes[0].set_yticks(range(len(tasks)), tasks, fontsize="small")
    axes[0].invert_yaxis()
    handles = [
        Line2D([], [], ls="", ms=4, label=name, color=f"C{number}", marker=MARKERS[number % len(MARKERS)])
        for number, name in enumerate(names)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize="small")


if __name__ == "__main__":
    with job(snakemake):
        files = snakemake.input
        set_style(snakemake.params.palette)
        points = read_suites("emergence_points", [files.emergence_points])
        lost = read_suites("ability_saturation", [files.ability_saturation])
        lost = lost[(lost.metric == "perplexity") & (lost.saturates == 1)]
        pairs = read_suites("equal_loss", [files.equal_loss])
        drawn = numbers_drawn(points, pairs, set(zip(lost.suite, lost.model, strict=True)))
        save_figure(draw(drawn), drawn, snakemake.output)
