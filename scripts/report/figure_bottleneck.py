"""Rule `figure_bottleneck`: the loss that heads of each rank lose, and the bounds on it (Theorem 5.3, Lemma 5.1)."""

from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import SymmetricalLogLocator

from lm_saturation.figures.head_panels import models_of, of_model, rank_axis, rows_of_panels
from lm_saturation.figures.panels import KEYS, figure_legend, join
from lm_saturation.figures.style import figure_job, save_figure
from lm_saturation.io.tables import read_frames, read_table

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = [*KEYS, "panel", "kind", "series", "x", "nats", "low", "high", "head_nats", "pretrained_nats"]
LINEAR = 1e-3  # nats; gaps are drawn linearly up to there, because some lie at or below 0
CUTS = ["truncated", "weighted_centred"]
GAPS: dict[str, dict[str, Any]] = {
    "gap, SVD": {"color": "C0", "ls": "-", "marker": "o", "markersize": 3},
    "gap, states' metric": {"color": "C1", "ls": "-", "marker": "s", "markersize": 3},
    "second order, states' metric": {"color": "C1", "ls": ":"},
    "gap, best trained, held out": {"color": "C2", "ls": "-", "marker": "^", "markersize": 4},
}
BOUNDS: dict[str, dict[str, Any]] = {
    "paper's bound, SVD": {"color": "0.5", "ls": "-", "lw": 1.5},
    "quadratic bound, SVD": {"color": "C0", "ls": "--"},
    "quadratic bound, states' metric": {"color": "C1", "ls": "--"},
}
CHANGES: dict[str, dict[str, Any]] = {
    "change of the loss": {"color": "C0", "ls": "-", "marker": "o", "markersize": 3},
    "without its first-order term": {"color": "C1", "ls": "--", "marker": "s", "markersize": 3},
}
SERIES = GAPS | BOUNDS | CHANGES
HEADS = ["pretrained", "refitted"]
NAMES = {"truncated": "SVD", "weighted_centred": "states' metric"}
PLACES = {"random": "Lemma 5.1 at a random head", "optimum": "Lemma 5.1 at the optimum"}


def curves_drawn(bounds: pd.DataFrame, changes: pd.DataFrame) -> pd.DataFrame:
    """Gaps and bounds of every model by rank, and |change| of the loss by ε: the median over random problems.

    A cut to the full rank is the head itself: it has no gap, and is left out. `head_nats` is the loss on the held-out
    sample of the head that is cut: that of a refitted one is of the text it was fitted to.
    """
    bounds = bounds.assign(head_nats=bounds.loss_nats - bounds.gap_nats)
    bounds["pretrained_nats"] = bounds.head_nats.where(bounds["head"] == "pretrained")
    bounds["pretrained_nats"] = bounds.groupby(KEYS).pretrained_nats.transform("mean")
    parts, bounds = [], bounds[bounds.bound.isna() | (bounds["rank"] < bounds.hidden_size)]
    for cut in CUTS:
        rows = bounds[bounds["method"] == cut]
        name = NAMES[cut]
        parts += [_series(rows, f"gap, {name}", "gap_nats", "gap_low", "gap_high")]
        parts += [_series(rows, f"quadratic bound, {name}", "bound")]
    weighted, truncated = (bounds[bounds["method"] == cut] for cut in reversed(CUTS))
    second = weighted.assign(expansion=weighted.first_order + weighted.second_order)
    parts += [_series(second, "second order, states' metric", "expansion")]
    parts += [_series(truncated, "paper's bound, SVD", "paper_bound")]
    trained = bounds[bounds.bound.isna()]
    best = trained.loc[trained.groupby([*KEYS, "rank"]).loss_nats.idxmin()] if len(trained) else trained
    parts += [_series(best, "gap, best trained, held out", "gap_nats", "gap_low", "gap_high")]
    return join(*parts, *_expansions(changes), columns=COLUMNS)


def _series(rows: pd.DataFrame, name: str, value: str, low: str | None = None, high: str | None = None) -> pd.DataFrame:
    ends = {"low": rows[low] if low else None, "high": rows[high] if high else None}
    kind = "bounds" if name in BOUNDS else "gaps"
    found = rows.assign(panel=rows["head"], kind=kind, series=name, x=rows["rank"], nats=rows[value], **ends)
    return found.sort_values("x")


def _expansions(changes: pd.DataFrame) -> list[pd.DataFrame]:
    names = {"change_nats": "change of the loss", "remainder_nats": "without its first-order term"}
    found = []
    for column, name in names.items():
        sizes = changes.assign(nats=changes[column].abs())
        medians = sizes.groupby(["place", "epsilon"], sort=False, observed=True).nats.median().reset_index()
        of_none = {"suite": "", "model": "", "kind": "changes", "series": name}
        found.append(medians.assign(panel=medians.place, x=medians.epsilon, **of_none))
    return found


def draw(drawn: pd.DataFrame) -> Figure:
    """Two rows per model, gaps beside bounds of the pretrained head and of the refitted one; then Lemma 5.1."""
    models = [model for model in models_of(drawn) if model != ("", "")]
    figure, axes = rows_of_panels(2 * len(models) + 1, 2)
    rows = [(model, head) for model in models for head in HEADS]
    for line, (model, head) in zip(axes, rows, strict=False):
        part = of_model(drawn, model)
        _draw_head(line, part[part.panel == head], model, head)
    _draw_lemma(axes[-1], of_model(drawn, ("", "")))
    figure.suptitle("Heads of rank r: excess loss and bounds")
    shown = {name: look for name, look in SERIES.items() if name in set(drawn.series)}
    figure_legend(figure, [Line2D([], [], label=name, **look) for name, look in shown.items()])
    return figure


def _draw_head(line: Any, part: pd.DataFrame, model: tuple[str, str], head: str) -> None:
    """Gaps left, bounds right."""
    gaps, bounds = line
    _draw_series(gaps, part, GAPS)
    gaps.set_yscale("symlog", linthresh=LINEAR, linscale=0.5)
    gaps.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=LINEAR))
    gaps.axhline(0, color="0.8", lw=0.6, zorder=0)
    gaps.set_ylabel(f"{model[0]}/{model[1]}\nexcess loss (nats/token)", fontsize="small")
    gaps.set_title(f"gaps of the {_said(part, head)}", fontsize="small")
    _draw_series(bounds, part, BOUNDS)
    bounds.set_yscale("log")
    bounds.set_ylabel("bound (nats/token)", fontsize="small")
    bounds.set_title(f"bounds on them, {head} head", fontsize="small")
    for axis in line:
        rank_axis(axis)


def _said(part: pd.DataFrame, head: str) -> str:
    """Which head, and its loss: one refitted to the sample is no better head, it has seen the text."""
    if part.empty:
        return f"{head} head"
    own, pretrained = part.head_nats.iloc[0], part.pretrained_nats.iloc[0]
    if head == "pretrained":
        return f"pretrained head ({own:.2f} nats held out)"
    return f"head refitted to this very sample\n({own:.2f} nats there: memorised; pretrained {pretrained:.2f} held out)"


def _draw_lemma(line: Any, lemma: pd.DataFrame) -> None:
    for axis, (place, title) in zip(line, PLACES.items(), strict=True):
        _draw_series(axis, lemma[(lemma.panel == place) & (lemma.nats > 0)], CHANGES)
        axis.set_yscale("log")
        axis.set_xscale("log")
        axis.set_xlabel("size ε of the move")
        axis.set_title(title, fontsize="small")
        axis.set_ylim(0.2 * lemma.nats.min(), 5 * lemma.nats.max())
    line[0].set_ylabel("|change| (nats/token)", fontsize="small")


def _draw_series(axis: Axes, part: pd.DataFrame, looks: dict[str, dict[str, Any]]) -> None:
    for name, look in looks.items():
        points = part[part.series == name]
        axis.plot(points.x, points.nats, **{"lw": 1.2, **look})
        low, high = points.low.astype(float), points.high.astype(float)
        axis.fill_between(points.x, low, high, color=look["color"], alpha=0.2, lw=0)


if __name__ == "__main__":
    with figure_job(snakemake) as (files, _):
        curves = curves_drawn(
            read_frames("bottleneck_bound", files.bounds), read_table("loss_expansion", files.expansion).to_pandas()
        )
        save_figure(draw(curves), curves, snakemake.output)
