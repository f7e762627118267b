"""What the figures of checkpoints share: panels, colours by size, steps and duplicates."""

from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from lm_saturation.figures.numbers import short_number
from lm_saturation.figures.style import LINES, MARKERS, PUBLISHED, WIDTH

KEYS = ["suite", "model"]
COLUMNS = 5  # panels in a row of models
LEGEND = 15  # models in one column of a legend
DUPLICATE: dict[str, Any] = {"linestyle": "", "marker": "X", "markersize": 5, "markerfacecolor": "none"}
SIZE_MAP = mpl.colormaps["viridis"]  # grows lighter with the size, so it can be read in grey
PAPER = "the paper"  # the panels of its models that none of ours is
TRAINING = 143_000  # steps of Pythia, of which all of the paper's curves over training are
FEW = 5  # a logarithmic axis that spans less than this factor gets more ticks
CLIPPED: dict[str, Any] = {"linestyle": "", "markersize": 4, "clip_on": False, "in_layout": False, "zorder": 5}


def trajectories(metrics: pd.DataFrame) -> pd.DataFrame:
    """The checkpoints that can be drawn over steps, with a column `duplicate` (0 or 1).

    Suites in the order given, models by size. A model with fewer than two checkpoints of its own is left out.
    """
    ordered = by_size(metrics).assign(duplicate=lambda frame: frame.duplicate_of.notna().astype(int))
    own = ordered[ordered.duplicate == 0].groupby(KEYS).step.nunique()
    many = own[own > 1].index
    return ordered[pd.MultiIndex.from_frame(ordered[KEYS]).isin(many)].reset_index(drop=True)


def by_size(metrics: pd.DataFrame) -> pd.DataFrame:
    """The same rows: suites in the order given, models by size, steps in order."""
    suites = {suite: number for number, suite in enumerate(metrics.suite.unique())}
    places = metrics.assign(place=metrics.suite.map(suites))
    return places.sort_values(["place", "parameters", "model", "step"]).drop(columns="place")


def published_curves(ours: pd.DataFrame, published: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """The paper's rows for our models that are its own: `names` maps suite/model to the name on the hub."""
    models = ours[[*KEYS, "parameters"]].drop_duplicates(KEYS)
    models = models.assign(name=[names.get(f"{suite}/{model}", "") for suite, model in models[KEYS].to_numpy()])
    return models.merge(published.rename(columns={"model": "name"}), on="name").drop(columns="name")


def other_published(ours: pd.DataFrame, published: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """The paper's rows of models that none of ours is, as a suite of their own, on axes of their own.

    Steps get a column `share`, of the training: Pythia's steps are not ours. Nothing where there is nothing of ours.
    """
    known = {names.get(f"{suite}/{model}") for suite, model in ours[KEYS].drop_duplicates().to_numpy()}
    return _with_share(published[~published.model.isin(known)][: None if len(ours) else 0]).assign(suite=PAPER)


def published_beside(ours: pd.DataFrame, published: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """The paper's rows for a panel per suite: of a suite's own models, or else all of them, with a `share` of steps."""
    own = published_curves(ours, published, names)
    others = [name for name in ours.suite.unique() if name not in set(own.suite)]
    parts = [own, *(_with_share(published).assign(suite=name) for name in others)]
    return pd.concat([part for part in parts if len(part)] or [own], ignore_index=True)


def _with_share(published: pd.DataFrame) -> pd.DataFrame:
    return published.assign(share=published.step / TRAINING) if "step" in published else published


def join(*parts: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The parts below each other with these columns only; a part may lack some."""
    filled = [part.reindex(columns=columns) for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=columns)


def empty_figure(what: str) -> Figure:
    """A figure that says in words why there is nothing to see."""
    figure, axis = plt.subplots(figsize=(WIDTH, 1.0))
    axis.axis("off")
    axis.text(0.5, 0.5, what, ha="center", va="center", transform=axis.transAxes)
    return figure


def model_panels(drawn: pd.DataFrame, height: float, **options: Any) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    """One panel per model, in rows of at most five; each suite starts a row. Panels that begin a row come first."""
    rows = []
    for suite, group in drawn.groupby("suite", sort=False):
        models = list(group.model.unique())
        rows += [[(str(suite), model) for model in models[at : at + COLUMNS]] for at in range(0, len(models), COLUMNS)]
    columns = max(3, *map(len, rows)) if len(rows) > 1 else max(map(len, rows))
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(max(5.0, 1.8 * columns), height * len(rows) + 0.9), squeeze=False, **options
    )
    places: dict[tuple[str, str], Axes] = {}
    for line, row in zip(axes, rows, strict=True):
        for axis in line[len(row) :]:
            axis.remove()
        places |= dict(zip(row, line[: len(row)], strict=True))
    for (suite, model), axis in places.items():
        axis.set_title(model, color="0.4" if suite == PAPER else "black")
        (share_axis if suite == PAPER else step_axis)(axis)
    return figure, places


def first_of_row(axis: Axes) -> bool:
    """Is this panel the first of its row?"""
    place = axis.get_subplotspec()
    return bool(place and place.is_first_col())


def suite_panels(suites: list[str], width: float = 3.6, height: float = 2.6) -> tuple[Figure, dict[str, Axes]]:
    """One panel per suite, two in a row."""
    columns = min(2, len(suites))
    rows = ceil(len(suites) / columns)
    size = (max(width * columns, 5.0), height * rows + 0.5)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for axis in axes.flat[len(suites) :]:
        axis.remove()
    for suite, axis in zip(suites, axes.flat, strict=False):
        axis.set_title(suite)
    return figure, dict(zip(suites, axes.flat, strict=False))


def size_styles(drawn: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Colour (by the logarithm of the size), marker and line of each model of one suite."""
    models = drawn.drop_duplicates("model").sort_values(["parameters", "model"])
    size = np.log(models.parameters.to_numpy(float))
    span = size.max() - size.min()
    shades = 0.88 * (size - size.min()) / span if span else np.full(len(size), 0.4)
    return {
        model: {
            "color": SIZE_MAP(shade),
            "marker": MARKERS[number % len(MARKERS)],
            "linestyle": LINES[number // len(MARKERS) % len(LINES)],
        }
        for number, (model, shade) in enumerate(zip(models.model, shades, strict=True))
    }


def draw_curve(axis: Axes, points: pd.DataFrame, y: str, **style: Any) -> None:
    """A line through a model's own checkpoints; duplicates are hollow crosses that no line joins."""
    own, copies = points[points.duplicate != 1], points[points.duplicate == 1]
    style = {"markersize": 3, "linewidth": 1.2, "markevery": 0.15, **style}
    if len(own) == 1:
        style["markevery"] = 1
    axis.plot(own.step, own[y], **style)
    draw_duplicates(axis, copies.step, copies[y], style["color"])


def draw_duplicates(axis: Axes, x: Any, y: Any, colour: Any) -> None:
    """Hollow crosses."""
    axis.plot(x, y, markeredgecolor=colour, zorder=3, **DUPLICATE)


def duplicate_handle(label: str = "weights shared with another step") -> Line2D:
    """What a legend says of duplicates."""
    return Line2D([], [], label=label, markeredgecolor="0.2", **DUPLICATE)


def paper_handle(label: str = "the paper's") -> Line2D:
    """What a legend says of the paper's curves."""
    return Line2D([], [], color=PUBLISHED, linewidth=1.5, label=label)


def source_handles(drawn: pd.DataFrame) -> list[Line2D]:
    """What a legend says of the paper's curves and of duplicates, as far as there are any."""
    handles = []
    if "source" in drawn and (drawn.source == "paper").any():
        shares = "share" in drawn and drawn.share.notna().any()
        handles.append(paper_handle("the paper's, Pythia over the share of training" if shares else "the paper's"))
    if "duplicate" in drawn and (drawn.duplicate == 1).any():
        handles.append(duplicate_handle())
    return handles


def size_legend(axis: Axes, styles: dict[str, dict[str, Any]], **options: Any) -> None:
    """The models, smallest first, right of the panel."""
    handles = [Line2D([], [], markersize=3, label=model, **style) for model, style in styles.items()]
    place = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5), "fontsize": "x-small"}
    axis.legend(handles=handles, ncols=ceil(len(handles) / LEGEND), **{**place, **options})


def figure_legend(figure: Figure, handles: list[Any]) -> None:
    """What holds for all panels, below them."""
    if handles:
        columns = max(1, int(figure.get_figwidth() / 2.3))
        figure.legend(handles=handles, loc="outside lower center", ncols=min(columns, len(handles)), fontsize="small")


def step_axis(axis: Axes) -> None:
    """Training steps as 20k, 2M."""
    axis.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda step, _: short_number(step)))
    axis.set_xlabel("training step")


def share_axis(axis: Axes) -> None:
    """Training as a share of its steps, of curves whose steps are not ours."""
    axis.set_xlim(-0.03, 1.03)
    axis.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axis.set_xlabel("share of training", color="0.4")


def share_beside(axis: Axes, last: float) -> None:
    """A second axis above: steps as a share of a training that ends at step `last`."""
    functions = (lambda step: np.asarray(step) / last, lambda share: np.asarray(share) * last)
    beside = axis.secondary_xaxis("top", functions=functions)
    beside.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    beside.tick_params(colors="0.4", labelsize="x-small")
    beside.set_xlabel("share of training (grey curves)", color="0.4", fontsize="x-small")
    beside.spines["top"].set_color("0.7")


def limits_of(
    curves: Iterable[pd.DataFrame], columns: list[str], after: float, log: bool = False
) -> tuple[float, float] | None:
    """Limits of a value axis from what each curve is once the share `after` of its steps is over, with a margin.

    Training from step 0 starts so far from all later values that nothing else could be seen. None without values.
    """
    settled = [curve.loc[curve.step >= after * curve.step.max(), columns].to_numpy(float).ravel() for curve in curves]
    values = np.concatenate([*settled, np.empty(0)])
    values = values[np.isfinite(values) & ((values > 0) | (not log))]
    if not len(values):
        return None
    low, high = (np.log(values) if log else values).min(), (np.log(values) if log else values).max()
    margin = 0.06 * (high - low) or 0.05
    ends = np.array([low - margin, high + margin])
    low, high = np.exp(ends) if log else ends
    return float(low), float(high)


def set_limits(axis: Axes, curves: Iterable[pd.DataFrame], columns: list[str], after: float, log: bool = False) -> None:
    """Set the limits of the value axis as `limits_of` finds them."""
    if log:
        log_axis(axis)
    limits = limits_of(curves, columns, after, log)
    if limits is None:
        return
    axis.set_ylim(*limits)
    if log and limits[1] < FEW * limits[0]:
        axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0), numticks=8))


def mark_clipped(axis: Axes, x: pd.Series, y: pd.Series, colour: Any) -> None:
    """Triangles on the edge of the panel where a value lies beyond it, once its limits are set."""
    low, high = axis.get_ylim()
    for marker, edge, beyond in (("^", high, y > high), ("v", low, y < low)):
        axis.plot(x[beyond], np.full(int(beyond.sum()), edge), color=colour, marker=marker, **CLIPPED)


def clipped_handle() -> Line2D:
    """What a legend says of them."""
    return Line2D([], [], color="0.2", marker="v", label="value beyond the axis", **CLIPPED)


def log_axis(axis: Axes) -> None:
    """A logarithmic value axis with plain numbers: 0.2, 0.5, 1, 2."""
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0), numticks=8))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())
