"""What the figures of rank-constrained heads share: names, colours and panels of models and starts."""

from collections.abc import Iterable
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from scripts.report.style import MARKERS
from scripts.report.suites import KEYS

PAPER_START = "normal"
SERIES = {  # in the order drawn: name in the table, name in a legend
    "normal": "start N(0, 1), the paper's",
    "scaled": "start of Pythia's variance",
    "svd": "start from the pretrained head, cut",
    "truncated": "pretrained head cut (SVD), not trained",
    "weighted_centred": "cut in the metric of the states, not trained",
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


def rows_of_panels(rows: int, columns: int, height: float = 2.6) -> tuple[Figure, Any]:
    """A grid of panels as wide as a page."""
    return plt.subplots(rows, columns, figsize=(3.5 * columns, height * rows + 0.8), squeeze=False)
