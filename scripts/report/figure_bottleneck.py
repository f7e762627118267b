"""Rule `figure_bottleneck`: the loss that heads of each rank lose, and the bounds on it (Theorem 5.3, Lemma 5.1)."""

from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scripts.common.jobs import job
from scripts.common.tables import read_table
from scripts.report.heads import models_of, of_model, rank_axis, rows_of_panels
from scripts.report.style import save_figure, set_style
from scripts.report.suites import KEYS, figure_legend, join, read_suites

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = [*KEYS, "panel", "series", "x", "nats", "low", "high"]
CUTS = ["truncated", "weighted_centred"]
SERIES: dict[str, dict[str, Any]] = {
    "paper's bound, SVD": {"color": "0.5", "ls": "-", "lw": 1.5},
    "quadratic bound, SVD": {"color": "C0", "ls": "--"},
    "quadratic bound, states' metric": {"color": "C1", "ls": "--"},
    "gap, SVD": {"color": "C0", "ls": "-", "marker": "o", "markersize": 3},
    "gap, states' metric": {"color": "C1", "ls": "-", "marker": "s", "markersize": 3},
    "expansion to second order, states' metric": {"color": "C1", "ls": ":"},
    "gap, best head trained": {"color": "C2", "ls": "-", "marker": "^", "markersize": 4},
    "change of the loss": {"color": "C0", "ls": "-", "marker": "o", "markersize": 3},
    "without its first-order term": {"color": "C1", "ls": "--", "marker": "s", "markersize": 3},
}
NAMES = {"truncated": "SVD", "weighted_centred": "states' metric"}
PLACES = {"random": "Lemma 5.1 at a random head", "optimum": "Lemma 5.1 at the optimum"}


def curves_drawn(bounds: pd.DataFrame, changes: pd.DataFrame) -> pd.DataFrame:
    """Gaps and bounds of every model by rank, and |change| of the loss by ε: the median over random problems.

    A cut to the full rank is the head itself: it has no gap, and is left out.
    """
    parts, bounds = [], bounds[bounds.bound.isna() | (bounds["rank"] < bounds.hidden_size)]
    for cut in CUTS:
        rows = bounds[bounds["method"] == cut]
        name = NAMES[cut]
        parts += [_series(rows, f"gap, {name}", "gap_nats", "gap_low", "gap_high")]
        parts += [_series(rows, f"quadratic bound, {name}", "bound")]
    weighted, truncated = (bounds[bounds["method"] == cut] for cut in reversed(CUTS))
    second = weighted.assign(expansion=weighted.first_order + weighted.second_order)
    parts += [_series(second, "expansion to second order, states' metric", "expansion")]
    parts += [_series(truncated, "paper's bound, SVD", "paper_bound")]
    trained = bounds[bounds.bound.isna()]
    best = trained.loc[trained.groupby([*KEYS, "rank"]).loss_nats.idxmin()] if len(trained) else trained
    parts += [_series(best, "gap, best head trained", "gap_nats", "gap_low", "gap_high")]
    return join(*parts, *_expansions(changes), columns=COLUMNS)


def _series(rows: pd.DataFrame, name: str, value: str, low: str | None = None, high: str | None = None) -> pd.DataFrame:
    ends = {"low": rows[low] if low else None, "high": rows[high] if high else None}
    found = rows.assign(panel=rows["head"], series=name, x=rows["rank"], nats=rows[value], **ends)
    return found.sort_values("x")


def _expansions(changes: pd.DataFrame) -> list[pd.DataFrame]:
    names = {"change_nats": "change of the loss", "remainder_nats": "without its first-order term"}
    found = []
    for column, name in names.items():
        sizes = changes.assign(nats=changes[column].abs())
        medians = sizes.groupby(["place", "epsilon"], sort=False, observed=True).nats.median().reset_index()
        found.append(medians.assign(suite="", model="", panel=medians.place, series=name, x=medians.epsilon))
    return found


def draw(drawn: pd.DataFrame) -> Figure:
    """A row a model: the pretrained head and the refitted one; then Lemma 5.1 away from and at an optimum."""
    models = [model for model in models_of(drawn) if model != ("", "")]
    figure, axes = rows_of_panels(len(models) + 1, 2)
    for line, model in zip(axes, models, strict=False):
        part = of_model(drawn, model)
        for axis, head in zip(line, ("pretrained", "refitted"), strict=True):
            _draw_panel(axis, part[part.panel == head])
            rank_axis(axis)
            axis.set_title(f"{head} head of {model[0]}/{model[1]}", fontsize="small")
        line[0].set_ylabel("loss over the whole head's (nats/token)", fontsize="small")
    lemma = of_model(drawn, ("", ""))
    for axis, (place, title) in zip(axes[-1], PLACES.items(), strict=True):
        _draw_panel(axis, lemma[lemma.panel == place])
        axis.set_xscale("log")
        axis.set_xlabel("size ε of the move")
        axis.set_title(title, fontsize="small")
        axis.set_ylim(0.2 * lemma.nats.min(), 5 * lemma.nats.max())
    axes[-1][0].set_ylabel("|change| (nats/token)", fontsize="small")
    figure.suptitle("What heads of rank r lose, and at most")
    figure_legend(
        figure, [Line2D([], [], label=name, **look) for name, look in SERIES.items() if name in set(drawn.series)]
    )
    return figure


def _draw_panel(axis: Axes, part: pd.DataFrame) -> None:
    for name, look in SERIES.items():
        points = part[(part.series == name) & (part.nats > 0)]
        axis.plot(points.x, points.nats, **{"lw": 1.2, **look})
        band = points[points.low > 0]
        axis.fill_between(band.x, band.low.astype(float), band.high.astype(float), color=look["color"], alpha=0.2, lw=0)
    axis.set_yscale("log")


if __name__ == "__main__":
    with job(snakemake):
        files = snakemake.input
        set_style(snakemake.params.palette)
        curves = curves_drawn(
            read_suites("bottleneck_bound", files.bounds), read_table("loss_expansion", files.expansion).to_pandas()
        )
        save_figure(draw(curves), curves, snakemake.output)
