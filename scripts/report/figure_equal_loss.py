"""Rule `figure_equal_loss`: is ability the same at the same loss, before and after saturation?"""

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lm_saturation.figures.panels import empty_figure
from lm_saturation.figures.style import MARKERS, WIDTH, figure_job, save_figure
from lm_saturation.io.tables import read_frames

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

PATHS = ["lambada_openai", "sciq", "arc_easy"]  # tasks whose way is drawn
PATH_SHOTS = 0
MEASURES = {"held_out": "held-out loss", "figure_1a": "held-out loss of Fig 1a", "lambada": "LAMBADA loss"}
COLUMNS_OF_MEANS = 4  # panels in a row
CURVE = ["loss_measure", "suite", "model", "task", "num_fewshot", "metric"]
NUMBERS = ["step", "loss", "loss_error", "value", "stderr", "difference", "difference_low", "difference_high"]
COLUMNS = ["part", *CURVE, *NUMBERS]


def numbers_drawn(points: pd.DataFrame, pairs: pd.DataFrame, saturating: set[tuple[str, str]]) -> pd.DataFrame:
    """The way through held-out loss and ability, and the mean difference, of every model that saturates."""
    way = points[
        (points.loss_measure == "figure_1a") & (points.num_fewshot == PATH_SHOTS) & points.task.isin(PATHS)
    ].sort_values(["suite", "parameters", "model", "task", "step"])
    means = pairs.drop_duplicates(CURVE).sort_values(["suite", "parameters", "model"], kind="stable")
    parts = [way.assign(part="way"), means.assign(part="difference", loss=np.nan)]
    drawn = pd.concat([part[_known(part, saturating)] for part in parts], ignore_index=True)
    return drawn.reindex(columns=COLUMNS)


def _known(rows: pd.DataFrame, saturating: set[tuple[str, str]]) -> list[bool]:
    return [model in saturating for model in zip(rows.suite, rows.model, strict=True)]


def draw(drawn: pd.DataFrame) -> Figure:
    """Above, ability against loss along the training of each model; below, the mean differences, a panel per model."""
    ways, means = (drawn[drawn.part == part] for part in ("way", "difference"))
    if drawn.empty:
        return empty_figure("Ability at equal loss: no model saturates.")
    rows = -(-len(_models(means)) // COLUMNS_OF_MEANS) * (0.24 * means.task.nunique() + 0.9) + 0.8
    heights = [2.0 * len(_models(ways)) + 0.5, rows]
    figure = plt.figure(figsize=(WIDTH * 1.15, sum(heights)))
    halves: Any = figure.subfigures(2, 1, height_ratios=heights)
    if len(ways):
        _draw_ways(halves[0], ways)
    if len(means):
        _draw_means(halves[1], means)
    return figure


def _models(rows: pd.DataFrame) -> list[tuple[str, str]]:
    return list(dict.fromkeys(zip(rows.suite, rows.model, strict=True)))


def _draw_ways(figure: Any, ways: pd.DataFrame) -> None:
    models = _models(ways)
    axes = figure.subplots(len(models), len(PATHS), squeeze=False)
    for line, (suite, model) in zip(axes, models, strict=True):
        for axis, task in zip(line, PATHS, strict=True):
            way = ways[(ways.suite == suite) & (ways.model == model) & (ways.task == task)]
            best = way.loss.argmin() if len(way) else 0
            for part, colour, marker, dashes in ((way[: best + 1], "C0", "o", "-"), (way[best:], "C1", "s", "--")):
                errors = {"xerr": part.loss_error.astype(float), "yerr": 100 * part.stderr.astype(float)}
                look = {"color": colour, "marker": marker, "ls": dashes, "ms": 3.5, "lw": 1, "elinewidth": 0.6}
                axis.errorbar(part.loss, 100 * part.value, **errors, **look)
            axis.invert_xaxis()
            axis.set_title(f"{model}, {task}", fontsize="small")
        line[0].set_ylabel("accuracy (%)")
    for axis in axes[-1]:
        axis.set_xlabel("held-out loss (nats/token)", fontsize="small")
    title = "Ability before (solid) and after (dashed) the loss of Pythia was lowest; bars: standard errors"
    figure.suptitle(title, fontsize="medium")


def _draw_means(figure: Any, means: pd.DataFrame) -> None:
    models, tasks = _models(means), list(dict.fromkeys(means.task))
    columns = min(COLUMNS_OF_MEANS, len(models))
    axes = figure.subplots(-(-len(models) // columns), columns, sharex=True, sharey=True, squeeze=False)
    for axis in axes.flat[len(models) :]:
        axis.remove()
    series = means.loss_measure.map(MEASURES) + ", " + means.num_fewshot.astype(str) + "-shot"
    names = sorted(series.unique())
    for axis, (suite, model) in zip(axes.flat, models, strict=False):
        for number, name in enumerate(names):
            own = means[(means.suite == suite) & (means.model == model) & (series == name)]
            places = [tasks.index(task) + 0.75 * ((number + 0.5) / len(names) - 0.5) for task in own.task]
            errors = [own.difference - own.difference_low, own.difference_high - own.difference]
            style = {"color": f"C{number}", "fmt": MARKERS[number % len(MARKERS)], "ms": 3, "lw": 0.8}
            axis.errorbar(100 * own.difference, places, xerr=[100 * one.clip(lower=0) for one in errors], **style)
        axis.axvline(0, color="0.4", lw=0.8)
        axis.set_title(f"{suite} {model}", fontsize="small")
        axis.tick_params(labelsize="x-small")
    axes[0][0].set_yticks(range(len(tasks)), tasks)
    axes[0][0].set_ylim(len(tasks) - 0.5, -0.5)
    figure.suptitle("Accuracy after minus before, at equal loss (points); bars: 95 % intervals", fontsize="medium")
    handles = [
        Line2D([], [], ls="", ms=4, label=name, color=f"C{number}", marker=MARKERS[number % len(MARKERS)])
        for number, name in enumerate(names)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize="small")


if __name__ == "__main__":
    with figure_job(snakemake) as (files, _):
        points = read_frames("emergence_points", [files.emergence_points])
        lost = read_frames("ability_saturation", [files.ability_saturation])
        lost = lost[(lost.metric == "perplexity") & (lost.saturates == 1)]
        pairs = read_frames("equal_loss", [files.equal_loss])
        drawn = numbers_drawn(points, pairs, set(zip(lost.suite, lost.model, strict=True)))
        save_figure(draw(drawn), drawn, snakemake.output)
