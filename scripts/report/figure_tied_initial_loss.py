"""Rule `figure_tied_initial_loss`: the initial loss of tied embeddings (Su 2023), sampled and in theory."""

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lm_saturation.figures.panels import figure_legend, join, log_axis
from lm_saturation.figures.remedy_panels import in_order
from lm_saturation.figures.style import MARKERS, PUBLISHED, figure_job, save_figure
from lm_saturation.io.tables import read_csv
from lm_saturation.tied.formulas import expected_loss, su_2023_loss
from lm_saturation.tied.remedies import REMEDIES

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

KEYS = ["panel", "vocabulary_size", "width", "name", "series"]
COLUMNS = [*KEYS, "sigma", "value", "low", "high"]
FORMULAS = {"su_2023": (0, (5, 1.5)), "second": "-"}  # how each is drawn
USUAL = 0.02  # σ of BERT and GPT-2, at which remedies are compared
FAMILIES = {"gpt_neox": "GPT-NeoX", "gpt2": "GPT-2", "llama": "Llama"}
POINTS = 80  # of a curve
WRONG = 0.01  # share of the loss, from which on a formula is said to break


def usual_sigma(losses: pd.DataFrame) -> float:
    """The σ of the grid that is nearest to the usual one, on a logarithmic scale."""
    sigmas = losses[losses.remedy != "scaled"].sigma.unique()
    return float(sigmas[np.abs(np.log(sigmas / USUAL)).argmin()]) if len(sigmas) else USUAL


def loss_rows(plain: pd.DataFrame) -> pd.DataFrame:
    """The sampled loss of every width, and both formulas between the smallest and the largest σ."""
    parts = [plain.assign(series="sampled", value=plain.loss_nats, **_band(plain))]
    sigmas = np.geomspace(plain.sigma.min(), plain.sigma.max(), POINTS)
    for (size, width), _ in plain.groupby(["vocabulary_size", "width"]):
        keys = {"vocabulary_size": size, "width": width, "sigma": sigmas}
        su_2023 = [su_2023_loss(size, width, sigma) for sigma in sigmas]
        second = [expected_loss(size, width * sigma, width * sigma**2) for sigma in sigmas]
        parts += [pd.DataFrame({**keys, "series": "su_2023", "value": su_2023})]
        parts += [pd.DataFrame({**keys, "series": "second", "value": second})]
    return join(*parts, columns=COLUMNS).assign(panel="loss")


def error_rows(plain: pd.DataFrame) -> pd.DataFrame:
    """How far each formula lies from the sampled loss, as a share of it; 0 where within two standard errors."""
    parts = []
    for series, column in (("su_2023", "su_2023_nats"), ("second", "expected_nats")):
        off = (plain[column] - plain.loss_nats).abs()
        share = off.where(off > 2 * plain.loss_error, 0.0) / plain.loss_nats
        parts.append(plain.assign(series=series, value=share))
    return join(*parts, columns=COLUMNS).assign(panel="error")


def remedy_rows(losses: pd.DataFrame) -> pd.DataFrame:
    """Every remedy at the largest vocabulary and width and the usual σ; `scaled` at its own."""
    at = (losses.vocabulary_size == losses.vocabulary_size.max()) & (losses.width == losses.width.max())
    own = losses[at & ((losses.sigma == usual_sigma(losses)) | (losses.remedy == "scaled"))].assign(name=losses.remedy)
    return _beside(own, "remedies")


def model_rows(models: pd.DataFrame) -> pd.DataFrame:
    """Every family and depth, tied and untied."""
    heads = np.where(models.tied == 1, "tied", "untied")
    names = models.family.map(FAMILIES) + ", " + models.layers.astype(str) + " layers, " + heads
    return _beside(models.assign(name=names), "models")


def _beside(rows: pd.DataFrame, panel: str) -> pd.DataFrame:
    sampled = rows.assign(series="sampled", value=rows.loss_nats, **_band(rows))
    formulas = [rows.assign(series=name, value=rows[column]) for name, column in _COLUMNS.items()]
    return join(sampled, *formulas, columns=COLUMNS).assign(panel=panel)


_COLUMNS = {"su_2023": "su_2023_nats", "second": "expected_nats", "log n": "log_vocabulary_nats"}


def _band(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Two standard errors."""
    return {"low": rows.loss_nats - 2 * rows.loss_error, "high": rows.loss_nats + 2 * rows.loss_error}


def curves_drawn(losses: pd.DataFrame, models: pd.DataFrame) -> pd.DataFrame:
    """All panels below each other."""
    plain = losses[losses.remedy == "plain"]
    parts = [loss_rows(plain), error_rows(plain)] if len(plain) else []
    return join(*parts, remedy_rows(losses), model_rows(models), columns=COLUMNS)


def draw(drawn: pd.DataFrame) -> Figure:
    """One column per vocabulary, loss above error; in the last one remedies above real models."""
    grid = drawn[drawn.panel.isin(["loss", "error"])]
    sizes = sorted(grid.vocabulary_size.unique())
    figure, axes = plt.subplots(
        2, len(sizes) + 1, figsize=(3.0 * len(sizes) + 4.2, 5.8), squeeze=False,
        width_ratios=[1] * len(sizes) + [0.95],
    )  # fmt: skip
    widths = sorted(grid.width.unique())
    colours = {width: f"C{number % 10}" for number, width in enumerate(widths)}
    markers = {width: MARKERS[number % len(MARKERS)] for number, width in enumerate(widths)}
    for column, size in enumerate(sizes):
        for row, panel in enumerate(("loss", "error")):
            part = grid[(grid.vocabulary_size == size) & (grid.panel == panel)]
            for (width, series), points in part.groupby(["width", "series"], sort=False):
                _draw_series(axes[row][column], points, series, panel, colours[width], markers[width])
        _finish_loss(axes[0][column], float(size))
        _finish_error(axes[1][column])
    _draw_beside(axes[0][-1], drawn[drawn.panel == "remedies"], "loss at the start, by remedy")
    _draw_beside(axes[1][-1], drawn[drawn.panel == "models"], "transformers' own models")
    figure.suptitle("The initial loss of tied embeddings")
    figure_legend(figure, _handles(colours, markers))
    return figure


def _draw_series(axis: Axes, points: pd.DataFrame, series: str, panel: str, colour: str, marker: str) -> None:
    ordered = points.sort_values("sigma")
    if series == "sampled":
        error = [ordered.value - ordered.low, ordered.high - ordered.value]
        axis.errorbar(ordered.sigma, ordered.value, error, color=colour, marker=marker, ls="", ms=4, elinewidth=1)
        return
    ticks: dict[str, Any] = {"marker": marker, "markersize": 3} if panel == "error" else {}
    values = ordered.value.where(ordered.value > 0)  # on a logarithmic axis; 0: no difference was found
    axis.plot(ordered.sigma, values, color=colour, ls=FORMULAS[series], lw=1.1, **ticks)


def _finish_loss(axis: Axes, size: float) -> None:
    axis.axhline(np.log(size), color=PUBLISHED, lw=1.5, zorder=0)
    axis.set_xscale("log")
    log_axis(axis)
    axis.set_xlabel("σ of the embedding")
    axis.set_ylabel("loss (nats)")
    axis.set_title(f"n = {size:,.0f}", fontsize="medium")


def _finish_error(axis: Axes) -> None:
    axis.axhline(WRONG, color=PUBLISHED, lw=1.5, zorder=0)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("σ of the embedding")
    axis.set_ylabel("error of the formula (share)")


def _draw_beside(axis: Axes, rows: pd.DataFrame, title: str) -> None:
    """Losses as marks on a line each; the formula of Su (2023), the second one, and log n."""
    axis.set_title(title, fontsize="medium")
    axis.set_xlabel("loss (nats)")
    names = in_order(rows.name) if rows.name.isin(REMEDIES).all() else list(rows.name.unique())
    labels = [REMEDIES[name].label if name in REMEDIES else name for name in names]
    axis.set_yticks(range(len(names)), labels, fontsize="x-small")
    axis.invert_yaxis()
    places = {name: place for place, name in enumerate(names)}
    marks: dict[str, dict[str, Any]] = {
        "su_2023": {"marker": "|", "markersize": 9, "color": "C3", "markeredgewidth": 1.5},
        "second": {"marker": "o", "markersize": 7, "markerfacecolor": "none", "color": "0.2"},
        "sampled": {"marker": "x", "markersize": 5, "color": "C0", "markeredgewidth": 1.5},
    }
    for series, look in marks.items():
        one = rows[rows.series == series]
        axis.plot(one.value, one.name.map(places), linestyle="", **look)
        axis.hlines(one.name.map(places), one.low, one.high, color=look["color"], lw=1)
    for value in rows[rows.series == "log n"].value.unique():
        axis.axvline(value, color=PUBLISHED, lw=1.5, zorder=0)


def _handles(colours: dict[int, str], markers: dict[int, str]) -> list[Line2D]:
    handles = [
        Line2D([], [], color=colours[width], marker=markers[width], ls="", label=f"sampled, d = {width}")
        for width in colours
    ]
    handles += [
        Line2D([], [], color="0.2", ls=FORMULAS["su_2023"], label=r"Su (2023): $\log(e^{d\sigma} + n - 1)$"),
        Line2D([], [], color="0.2", ls="-", label=r"second: $\log(e^{d\sigma} + (n-1)e^{d\sigma^2/2})$"),
        Line2D([], [], color=PUBLISHED, lw=1.5, label="log n; an error of 1 %"),
        Line2D([], [], color="C0", marker="x", ls="", label="right: measured"),
        Line2D([], [], color="C3", marker="|", ls="", markersize=9, label="right: Su (2023)"),
        Line2D([], [], color="0.2", marker="o", markerfacecolor="none", ls="", label="right: second formula"),
    ]
    return handles


if __name__ == "__main__":
    with figure_job(snakemake) as (files, _):
        curves = curves_drawn(read_csv("tied_initial_loss", files.losses), read_csv("tied_models", files.models))
        save_figure(draw(curves), curves, snakemake.output)
