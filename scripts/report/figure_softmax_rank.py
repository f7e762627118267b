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
from lm_saturation.report.tables.table_softmax_rank import table_softmax_rank_transformers
from lm_saturation.softmax_rank.thresholds import ENOUGH, GAP

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

TEXT = ["corpus", "tokenizer"]
KEYS = [*TEXT, "order", "method", "estimate", "weighting", "norm_bound"]
COLUMNS = ["panel", *KEYS, "rank", "dimension", "gap_nats", "w_error", "halving_dimension", "beyond_nats", "head_nats"]
FLOOR = ENOUGH / 10  # what is less is drawn as much
NORM_TAKES = 2  # dimensions that a final LayerNorm costs: it centres, and keeps states on a sphere
TITLES = ("Transformers: beyond it", "Of it, lost by their heads")
FILLS = {"frequency": "full", "kneser_ney": "left"}


def drawn_numbers(
    ranks: pd.DataFrame, needed: pd.DataFrame, languages: pd.DataFrame, transformers: pd.DataFrame
) -> pd.DataFrame:
    """Every number of the figure: curves by search, dimensions that suffice beside W-error's, and known ranks."""
    curves = ranks[ranks.method == "search"].assign(panel="curve")
    known = needed.norm_bound.isna() & needed.softmax_dimension.notna() & (needed.halving_dimension > 0)
    points = needed[known].assign(panel="needed", dimension=needed.softmax_dimension, gap_nats=GAP)
    beyond = transformers.assign(
        beyond_nats=transformers.trained_gap_nats - transformers.ideal_gap_nats,
        head_nats=transformers.refitted_gap_nats - transformers.ideal_gap_nats,
    )
    medians = beyond.groupby(["rank", "width"], as_index=False)[["beyond_nats", "head_nats"]].median()
    trained = medians.rename(columns={"width": "dimension"}).assign(panel="transformer")
    parts = [part for part in (curves, points, languages.assign(panel="language"), trained) if len(part)]
    return pd.concat(parts, ignore_index=True).reindex(columns=COLUMNS) if parts else pd.DataFrame(columns=COLUMNS)


def draw(drawn: pd.DataFrame) -> Figure:
    """Two panels per text; for all, dimensions against W-error's; and three maps of languages of known rank."""
    if drawn.empty:
        return empty_figure("What a softmax needs: this configuration names no text and no language.")
    curves = drawn[drawn.panel == "curve"]
    texts = list(curves.groupby(TEXT, sort=False))
    trained = drawn[drawn.panel == "transformer"]
    rows = len(texts) + 1 + (len(trained) > 0)
    figure, axes = plt.subplots(rows, 2, figsize=(WIDTH, 2.6 * rows + 0.4), squeeze=False)
    needed = drawn[drawn.panel == "needed"]
    for (left, right), ((corpus, tokenizer), text) in zip(axes, texts, strict=False):
        _draw_curves(left, text, "gap_nats")
        left.axhline(GAP, color="0.7", linewidth=0.8, zorder=0)
        _mark_dimensions(left, needed[(needed.corpus == corpus) & (needed.tokenizer == tokenizer)])
        left.set(yscale="log", ylabel="gap (nats/token)", title=f"{corpus}, {tokenizer}: loss above the entropy")
        _draw_curves(right, text, "w_error")
        right.axhline(HALF, color="0.7", linewidth=0.8, zorder=0)
        right.set(ylim=(0, 1), ylabel="W-error", title="W-error of the same rows")
        right.legend(title="context", fontsize="x-small")
    _draw_needed(axes[len(texts)][0], needed)
    languages = drawn[drawn.panel == "language"]
    most = max([ENOUGH, *(part.max() for part in (languages.gap_nats, trained.beyond_nats) if len(part))])
    colours = LogNorm(FLOOR, most)
    # where the gap is negligible, more dimensions are not tried
    _draw_map(figure, axes[len(texts)][1], _grid(languages, "gap_nats").ffill(axis=1), "Ideal trunk: gap", colours)
    if len(trained):
        for axis, column, title in zip(axes[-1], ("beyond_nats", "head_nats"), TITLES, strict=True):
            _draw_map(figure, axis, _grid(trained, column), title, colours, NORM_TAKES)
    figure.suptitle("What d dimensions cost behind a softmax")
    return figure


def _draw_curves(axis: Axes, text: pd.DataFrame, column: str) -> None:
    for place, (order, of_order) in enumerate(text.groupby("order")):
        length = int(order) - 1
        for (bound, estimate), points in of_order.groupby(["norm_bound", "estimate"], dropna=False):
            if column == "w_error" and pd.notna(bound):
                continue
            smoothed = estimate == "kneser_ney"
            look: dict[str, Any] = {"marker": MARKERS[place % len(MARKERS)], "markersize": 3, "color": f"C{place}"}
            label = f"{length} token{'s' * (length > 1)}" if pd.isna(bound) and not smoothed else None
            shown = points[column].clip(lower=ENOUGH / 10) if column == "gap_nats" else points[column]
            axis.plot(
                points.dimension,
                shown,
                label=label,
                linestyle=LINES[1 if smoothed else 0 if pd.isna(bound) else 2],
                **look,
            )
    axis.set_xscale("log", base=2)
    axis.set_xlabel("dimension d")


def _draw_needed(axis: Axes, points: pd.DataFrame) -> None:
    for place, (_, of_order) in enumerate(points.groupby("order")):
        look: dict[str, Any] = {"marker": MARKERS[place % len(MARKERS)], "linestyle": "", "markersize": 5}
        for (method, estimate), some in of_order.groupby(["method", "estimate"]):
            fill = FILLS[estimate] if method == "search" else "none"
            axis.plot(some.halving_dimension, some.dimension, color=f"C{place}", fillstyle=fill, **look)
    if len(points):
        ends = np.array([points[["dimension", "halving_dimension"]].min().min(), points.halving_dimension.max()])
        axis.plot(ends, ends, color="0.7", linewidth=0.8, zorder=0)
        axis.set(xscale="log", yscale="log")
    axis.set(xlabel="d at which W-error halves", ylabel=f"d that suffices for {GAP} nats")
    axis.set_title("Filled: frequent; half: smoothed; hollow: all")


def _mark_dimensions(axis: Axes, points: pd.DataFrame) -> None:
    """On the gap that counts: where it is reached, beside where W-error halves."""
    for place, (_, of_order) in enumerate(points.groupby("order")):
        searched = of_order[(of_order.method == "search") & (of_order.estimate == "frequency")]
        look: dict[str, Any] = {"marker": MARKERS[place % len(MARKERS)], "linestyle": "", "color": f"C{place}"}
        axis.plot(searched.dimension, searched.gap_nats, markersize=6, **look)
        axis.plot(searched.halving_dimension, searched.gap_nats, markersize=6, fillstyle="none", **look)


def _grid(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Ranks by dimensions."""
    return rows.pivot_table(index="rank", columns="dimension", values=column)


def _draw_map(
    figure: Figure, axis: Axes, grid: pd.DataFrame, title: str, colours: LogNorm, norm_takes: int = 0
) -> None:
    axis.set(xlabel="dimension d", ylabel="logit rank r", title=f"{title} (nats)")
    if grid.empty:
        return
    image = axis.imshow(grid.clip(lower=FLOOR), norm=colours, cmap="viridis", aspect="auto", origin="lower")
    axis.set_xticks(range(len(grid.columns)), [f"{dimension:g}" for dimension in grid.columns])
    axis.set_yticks(range(len(grid.index)), [f"{rank:g}" for rank in grid.index])
    for row, rank in enumerate(grid.index):
        for beyond in sorted({0, norm_takes}):
            enough = np.flatnonzero(grid.columns >= rank + beyond)
            if len(enough):
                line = LINES[1 if beyond else 0]
                axis.plot([enough[0] - 0.5] * 2, [row - 0.5, row + 0.5], color="white", linewidth=2, linestyle=line)
    figure.colorbar(image, ax=axis)


if __name__ == "__main__":
    with figure_job(snakemake) as (files, _):
        tables = (
            read_frames("softmax_rank", files.ranks),
            read_csv("table_softmax_rank", files.needed),
            read_frames("softmax_rank_languages", files.languages),
            table_softmax_rank_transformers(files.transformers),
        )
        numbers = drawn_numbers(*tables)
        save_figure(draw(numbers), numbers, snakemake.output)
