"""What the figures of rank-constrained LM heads share: names, colours and panels of models and initialisations."""

from collections.abc import Iterable, Mapping
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from lm_saturation.figures.panels import KEYS, PAPER, other_published, published_curves
from lm_saturation.figures.style import MARKERS, PUBLISHED
from lm_saturation.heads.noticeable import PAPER_INITIALISATION

SERIES = {  # in the order drawn: name in the table, name in a legend
    "normal": "initialisation: N(0, 1), the paper's",
    "scaled": "initialisation: Pythia's variance",
    "svd": "initialisation: pretrained, cut",
    "weighted_svd": "initialisation: pretrained, cut in states' metric",
    "truncated": "untrained, cut by SVD",
    "weighted_centred": "untrained, states' metric",
}
LOOK: dict[str, dict[str, Any]] = {
    name: {"color": f"C{number}", "marker": MARKERS[number], "markersize": 4, "linewidth": 1.2}
    for number, name in enumerate(SERIES)
}
PRETRAINED: dict[str, Any] = {"linestyle": (0, (1, 1.5)), "linewidth": 1.2}  # a line at the loss of the pretrained head
NONE = "no model is named in heads.models."


def models_of(drawn: pd.DataFrame) -> list[tuple[str, str]]:
    """Suite and model of all of ours, in the order of the rows."""
    return list(dict.fromkeys(map(tuple, drawn[drawn.suite != PAPER][KEYS].to_numpy())))


def published_heads(heads: pd.DataFrame, published: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """The paper's heads: of our models that are its own, and of its others, as a suite of their own."""
    own = published_curves(heads.assign(parameters=0), published, names)
    parts = [part for part in (own, other_published(heads, published, names)) if len(part)]
    found = pd.concat(parts, ignore_index=True) if parts else own
    return found.assign(source="paper", initialisation=PAPER_INITIALISATION, factored=1)


def draw_published(axis: Axes, paper: pd.DataFrame, x: str, y: str) -> None:
    """A grey line per model of the paper on axes of its own, with its name."""
    shown = paper.dropna(subset=[x, y])
    for marker, (model, points) in zip(MARKERS, shown.groupby("model", sort=False), strict=False):
        ordered = points.sort_values(x)
        axis.plot(ordered[x], ordered[y], color=PUBLISHED, marker=marker, markersize=3, linewidth=1.2, label=model)
    axis.legend(fontsize="x-small", labelcolor="0.4")


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
    """Stars; of what lies above `top`, the value in words above the frame."""
    for rank, value in zip(whole["rank"], whole[column], strict=True):
        if value <= top:
            axis.plot([rank], [value], **star(look))
            continue
        place: dict[str, Any] = {"ha": "right", "va": "bottom", "fontsize": "x-small", "transform": axis.transAxes}
        axis.text(1.0, 1.01 + 0.07 * len(axis.texts), f"unfactored: {value:.3g} ↑", color=look["color"], **place)


def pretrained_handle() -> Line2D:
    """What a legend says of the line at the loss of the pretrained head."""
    return Line2D([], [], color="0.3", label="pretrained head", **PRETRAINED)


def pretrained_losses(heads: pd.DataFrame) -> pd.DataFrame:
    """A row per model, series and initialisation `pretrained`: the held-out loss of its pretrained head."""
    losses = heads.assign(loss_nats=heads.loss_nats - heads.gap_nats).groupby(KEYS, sort=False).loss_nats.mean()
    return losses.reset_index().assign(source="ours", initialisation="pretrained", series="pretrained", factored=0)


def upper_limit(factored: pd.Series) -> float:
    """Where a loss axis ends: a margin above the curves of factored heads."""
    return float(factored.max() + 0.06 * (factored.max() - factored.min()))


def rows_of_panels(rows: int, columns: int, height: float = 2.6) -> tuple[Figure, Any]:
    """A grid of panels, two to the width of a page."""
    size = (max(5.0, 3.5 * columns), height * rows + 0.8)
    return plt.subplots(rows, columns, figsize=size, squeeze=False)
