"""Rule `figure_softmax_rank`: what d dimensions cost behind a softmax, beside W-error and where the answer is known."""

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from lm_saturation.figures.panels import empty_figure
from lm_saturation.figures.style import LINES, MARKERS, WIDTH, figure_job, save_figure
from lm_saturation.io.tables import read_csv, read_frames
from lm_saturation.ngrams.w_error_thresholds import HALF
from lm_saturation.softmax_rank.thresholds import ENOUGH, GAP

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

TEXT = ["corpus", "tokenizer"]
KEYS = [*TEXT, "order", "method", "weighting", "norm_bound"]
COLUMNS = ["panel", *KEYS, "rank", "dimension", "gap_nats", "w_error", "halving_dimension"]


def drawn_numbers(ranks: pd.DataFrame, needed: pd.DataFrame, languages: pd.DataFrame) -> pd.DataFrame:
    """Every number of the figure: curves by search, dimensions that suffice beside W-error's, and known ranks."""
    curves = ranks[ranks.method == "search"].assign(panel="curve")
    known = needed.norm_bound.isna() & needed.softmax_dimension.notna() & (needed.halving_dimension > 0)
    points = needed[known].assign(panel="needed", dimension=needed.softmax_dimension, gap_nats=GAP)
    parts = [part for part in (curves, points, languages.assign(panel="language")) if len(part)]
    return pd.concat(parts, ignore_index=True).reindex(columns=COLUMNS) if parts else pd.DataFrame(columns=COLUMNS)


def draw(drawn: pd.DataFrame) -> Figure:
    """Two panels per text, and two for all: dimensions against W-error's, and languages of known rank."""
    if drawn.empty:
        return empty_figure("What a softmax needs: this configuration names no text and no language.")
    curves = drawn[drawn.panel == "curve"]
    texts = list(curves.groupby(TEXT, sort=False))
    figure, axes = plt.subplots(len(texts) + 1, 2, figsize=(WIDTH, 2.6 * len(texts) + 3.0), squeeze=False)
    for (left, right), ((corpus, tokenizer), text) in zip(axes, texts, strict=False):
        _draw_curves(left, text, "gap_nats")
        left.axhline(GAP, color="0.7", linewidth=0.8, zorder=0)
        left.set(yscale="log", ylabel="gap (nats/token)", title=f"{corpus}, {tokenizer}: loss above the entropy")
        _draw_curves(right, text, "w_error")
        right.axhline(HALF, color="0.7", linewidth=0.8, zorder=0)
        right.set(ylim=(0, 1), ylabel="W-error", title="W-error of the same rows")
        right.legend(title="context", fontsize="x-small")
    _draw_needed(axes[-1][0], drawn[drawn.panel == "needed"])
    _draw_languages(figure, axes[-1][1], drawn[drawn.panel == "language"])
    figure.suptitle("What d dimensions cost behind a softmax")
    return figure


def _draw_curves(axis: Axes, text: pd.DataFrame, column: str) -> None:
    for place, (order, of_order) in enumerate(text.groupby("order")):
        length = int(order) - 1
        for bound, points in of_order.groupby("norm_bound", dropna=False):
            if column == "w_error" and pd.notna(bound):
                continue
            look: dict[str, Any] = {"marker": MARKERS[place % len(MARKERS)], "markersize": 3, "color": f"C{place}"}
            label = f"{length} token{'s' * (length > 1)}" if pd.isna(bound) else None
            shown = points[column].clip(lower=ENOUGH / 10) if column == "gap_nats" else points[column]
            axis.plot(points.dimension, shown, label=label, linestyle=LINES[0 if pd.isna(bound) else 2], **look)
    axis.set_xscale("log", base=2)
    axis.set_xlabel("dimension d")


def _draw_needed(axis: Axes, points: pd.DataFrame) -> None:
    for place, (_, of_order) in enumerate(points.groupby("order")):
        look: dict[str, Any] = {"marker": MARKERS[place % len(MARKERS)], "linestyle": "", "markersize": 5}
        for method, some in of_order.groupby("method"):
            fill = f"C{place}" if method == "search" else "none"
            axis.plot(some.halving_dimension, some.dimension, color=f"C{place}", markerfacecolor=fill, **look)
    if len(points):
        ends = np.array([points[["dimension", "halving_dimension"]].min().min(), points.halving_dimension.max()])
        axis.plot(ends, ends, color="0.7", linewidth=0.8, zorder=0)
        axis.set(xscale="log", yscale="log")
    axis.set(xlabel="d at which W-error halves", ylabel=f"d that suffices for {GAP} nats")
    axis.set_title("Filled: frequent contexts; hollow: all")


def _draw_languages(figure: Figure, axis: Axes, languages: pd.DataFrame) -> None:
    axis.set(xlabel="dimension d", ylabel="logit rank r", title="Languages of known rank: gap (nats)")
    if languages.empty:
        return
    grid = languages.pivot_table(index="rank", columns="dimension", values="gap_nats").clip(lower=ENOUGH / 10)
    grid = grid.ffill(axis=1)  # where the gap is negligible, more dimensions are not tried
    norm = LogNorm(ENOUGH / 10, max(float(grid.max().max()), ENOUGH))
    image = axis.imshow(grid, norm=norm, cmap="viridis", aspect="auto", origin="lower")
    axis.set_xticks(range(len(grid.columns)), [f"{dimension:g}" for dimension in grid.columns])
    axis.set_yticks(range(len(grid.index)), [f"{rank:g}" for rank in grid.index])
    for row, rank in enumerate(grid.index):
        enough = np.flatnonzero(grid.columns >= rank)
        if len(enough):
            axis.plot([enough[0] - 0.5] * 2, [row - 0.5, row + 0.5], color="white", linewidth=2)
    figure.colorbar(image, ax=axis)


if __name__ == "__main__":
    with figure_job(snakemake) as (files, _):
        tables = (
            read_frames("softmax_rank", files.ranks),
            read_csv("table_softmax_rank", files.needed),
            read_frames("softmax_rank_languages", files.languages),
        )
        numbers = drawn_numbers(*tables)
        save_figure(draw(numbers), numbers, snakemake.output)
