"""What the figures of rank-constrained heads share: names, colours and panels of models and starts."""

from collections.abc import Iterable
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from scripts.report.style import MARKERS
from scripts.report.suites import KEYS

PAPER_START = "normal"
SERIES = {  # in the order drawn: name in the table, name in a legend
    "normal": "start: N(0, 1), the paper's",
    "scaled": "start: Pythia's variance",
    "svd": "start: pretrained, cut",
    "truncated": "untrained, cut by SVD",
    "weighted_centred": "untrained, states' metric",
}
LOOK: dict[str, dict[str, Any]] = {
    name: {"color": f"C{number}", "marker": MARKERS[number], "markersize": 4, "linewidth": 1.2}
    for number, name in enumerate(SERIES)
}
NONE = "no model is named in heads.models."


def models_of(drawn: pd.DataFrame) -> list[tuple[str, str]]:
    """Suite and model of every panel, in the order of the rows."""
    return list(dict.fromkeys(map(tuple, drawn[KEYS].to_numpy())))


def of_model(drawn: pd.DataFrame, model: tuple[str, str]) -> pd.DataFrame:
    """The rows of one model."""
    return drawn[(drawn.suite == model[0]) & (drawn.model == model[1])]


def model_looks(models: Iterable[tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Colour and marker of each model."""
    return {
        model: {"color": f"C{number % 10}", "marker": MARKERS[number % len(MARKERS)], "markersize": 4, "linewidth": 1.2}
        for number, model in enumerate(models)
    }


def rank_axis(axis: Axes) -> None:
    """Ranks on a logarithmic axis with plain numbers."""
    axis.set_xscale("log", base=2)
    axis.xaxis.set_major_locator(LogLocator(2, numticks=8))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda rank, _: f"{rank:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel("rank of the head")


def star(look: dict[str, Any]) -> dict[str, Any]:
    """How the unfactored head of a series is drawn."""
    return {**look, "linestyle": "", "marker": "*", "markersize": 9, "markerfacecolor": "none", "zorder": 4}


def star_handle() -> Line2D:
    """What a legend says of it."""
    return Line2D([], [], label="unfactored head", **star({"color": "0.3"}))


def draw_unfactored(axis: Axes, whole: pd.DataFrame, column: str, look: dict[str, Any], top: float) -> None:
    """Stars; what lies above `top` stands at the upper edge with its value."""
    for rank, value in zip(whole["rank"], whole[column], strict=True):
        axis.plot([rank], [min(value, top)], **star(look), clip_on=False)
        if value > top:
            axis.annotate(f"{value:.0f}", (rank, top), (-5, 0), textcoords="offset points", ha="right", va="center")


def upper_limit(factored: pd.Series) -> float:
    """Where a loss axis ends: a margin above the curves of factored heads."""
    return float(factored.max() + 0.06 * (factored.max() - factored.min()))


def rows_of_panels(rows: int, columns: int, height: float = 2.6) -> tuple[Figure, Any]:
    """A grid of panels, two to the width of a page."""
    size = (max(5.0, 3.5 * columns), height * rows + 0.8)
    return plt.subplots(rows, columns, figsize=size, squeeze=False)
