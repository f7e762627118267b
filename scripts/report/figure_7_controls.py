"""Rule `figure_7_controls`: is the rank of language a fact of language, or of the size of the sample?"""

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lm_saturation.figures.ngram_panels import SAMPLE, curve, grid
from lm_saturation.figures.style import MARKERS, WIDTH, figure_job, save_figure
from lm_saturation.io.tables import read_frames
from lm_saturation.ngrams.w_error_thresholds import HALF, HALVES_AT

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

KEYS = [*SAMPLE, "weighting", "min_count"]
COLUMNS = {"w_error": "W", "unigram_w_error": "unigram", "column_norm_w_error": "column norms"}
TITLES = [
    "sample size (dashed: token frequency alone)",
    "rows and contexts, largest sample (dashed: token frequency)",
    "length of the context (dotted: sorted column norms alone)",
    "where W-error halves (dashed: token frequency alone)",
]
BESIDE: dict[str, Any] = {
    "fontsize": "x-small",
    "loc": "center left",
    "bbox_to_anchor": (1.0, 0.5),
}  # legends, not over the curves
DRAWN = ["sample size", "control", "context"]  # the panels that show curves


def distinct_samples(summary: pd.DataFrame) -> pd.DataFrame:
    """The keys and the actual n-grams of each sample, smallest first.

    Sizes beyond the corpus are all the same sample, and only one of them is kept.
    """
    plain = summary[(summary.weighting == "unit") & (summary.min_count == 1)]
    samples = plain[[*SAMPLE, "ngrams"]].rename(columns={"ngrams": "sample_ngrams"})
    unique = samples.drop_duplicates(["corpus", "tokenizer", "order", "sample_ngrams"], keep="last")
    return unique.sort_values("sample_ngrams")


def control_name(weighting: str, min_count: int) -> str:
    """What a control is called in the figure."""
    names = {"count": "rows weighted by count", "smoothed": "Kneser–Ney rows"}
    return names.get(weighting, "all contexts" if min_count == 1 else f"contexts seen ≥ {min_count} times")


def with_control(frame: pd.DataFrame) -> pd.DataFrame:
    """The same with the column `control`, in one order everywhere: all contexts, count weights, least counts."""
    names = [control_name(*kind) for kind in frame[["weighting", "min_count"]].itertuples(index=False)]
    order = {"sample_ngrams": True, "min_count": True, "weighting": False}
    return frame.assign(control=names).sort_values(list(order), ascending=list(order.values()), kind="stable")


def panels_of(samples: pd.DataFrame, order: int, sample_size: str) -> dict[str, pd.DataFrame]:
    """Which spectra each panel shows: keys of samples, and the weightings and least counts beside them.

    Sample sizes: all contexts at every size. Control: every control of the largest sample. Context: every length of
    context, and the smoothed rows, at the sample size of figure 7.
    """
    same = samples[samples.order == order]
    largest = same[same.sample_ngrams == same.groupby(["corpus", "tokenizer"]).sample_ngrams.transform("max")]
    plain = pd.DataFrame({"weighting": ["unit"], "min_count": [1]})
    smoothed = pd.DataFrame({"weighting": ["unit", "smoothed"], "min_count": [1, 1]})
    return {
        "sample size": same.merge(plain, how="cross"),
        "control": largest,
        "context": samples[samples.sample_size == sample_size].merge(smoothed, how="cross"),
    }


def curves_drawn(spectra: pd.DataFrame, panels: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """W-error, unigram baseline and what the column norms alone give, against d, for every curve of every panel."""
    parts = []
    for panel, shown in panels.items():
        keys = [key for key in KEYS if key in shown]
        for of, one in spectra.merge(shown, on=keys).groupby([*KEYS, "sample_ngrams"]):
            names = dict(zip([*KEYS, "sample_ngrams"], of, strict=True), panel=panel)
            for column, quantity in COLUMNS.items():
                points = curve(one, column, grid(int(one.dimension.max())))
                parts.append(points.assign(**names, quantity=quantity))
    return with_control(pd.concat(parts))


def halving_drawn(summary: pd.DataFrame, samples: pd.DataFrame) -> pd.DataFrame:
    """The dimension at which W-error halves against the number of n-grams in the sample, mean over seeds."""
    columns = {"halving_dimension": "W", "unigram_halving_dimension": "unigram"}
    table = summary.merge(samples, on=SAMPLE).rename(columns=columns)
    melted = table.melt([*KEYS, "sample_ngrams"], list(columns.values()), "quantity", "dimension")
    means = melted.groupby([*KEYS, "sample_ngrams", "quantity"], as_index=False).dimension.mean()
    return with_control(means.assign(w_error=HALF, panel="halving"))


def draw(curves: pd.DataFrame, halving: pd.DataFrame) -> Figure:
    """Four panels, two by two, for each corpus and tokenizer: sample size, rows, length of context, halving."""
    texts = list(curves.groupby(["tokenizer", "corpus"], sort=False))
    figure, axes = plt.subplots(2 * len(texts), 2, figsize=(WIDTH * 1.25, 4.4 * len(texts) + 0.6), squeeze=False)
    for block, ((tokenizer, corpus), group) in zip(axes.reshape(len(texts), 4), texts, strict=True):
        size, control, context = (group[group.panel == panel] for panel in DRAWN)
        _draw_curves(block[0], size, size.sample_ngrams.map("{:,}\nn-grams".format), "viridis", ("unigram", "--"))
        _draw_curves(block[1], control, control.control.map(_in_lines), None, ("unigram", "--"))
        _draw_curves(block[2], context, _context_names(context), "plasma", ("column norms", ":"))
        _draw_halving(block[3], halving[(halving.corpus == corpus) & (halving.tokenizer == tokenizer)])
        for axis, title in zip(block, TITLES, strict=True):
            axis.set_title(title, fontsize="small")
        for axis in (block[0], block[2]):
            axis.set_ylabel(f"{corpus}, {tokenizer}\nW-error")
    figure.suptitle("W-error of the matrix (solid), and of what knows less than the matrix")
    return figure


def _in_lines(name: str) -> str:
    """A name of a control in two lines, so that it fits beside a panel."""
    head, _, tail = name.partition(" ")
    return f"{head}\n{tail}"


def _context_names(curves: pd.DataFrame) -> pd.Series:
    lengths = (curves.order - 1).map({1: "1 token"}.get).fillna((curves.order - 1).astype(str) + " tokens")
    return lengths.where(curves.weighting != "smoothed", lengths + ",\nKneser–Ney")


def _draw_curves(
    axis: Axes, curves: pd.DataFrame, names: pd.Series, palette: str | None, beside: tuple[str, str]
) -> None:
    """The W-error of each named curve, and the quantity `beside` it in another line style."""
    groups = list(curves.groupby(names, sort=False))
    colours = [f"C{place}" for place in range(len(groups))] if palette is None else _colours(palette, len(groups))
    for colour, marker, (name, group) in zip(colours, MARKERS * len(groups), groups, strict=False):
        for quantity, line in (("W", "-"), beside):
            points = group[group.quantity == quantity]
            axis.plot(points.dimension, points.w_error, line, color=colour, linewidth=1.2)
            if quantity == "W":
                axis.plot([], [], line, color=colour, marker=marker, markersize=3, label=name)
                marks = points.iloc[20::45]  # so that curves differ without colour
                axis.plot(marks.dimension, marks.w_error, marker, color=colour, markersize=3)
    axis.axhline(HALF, color="0.8", linewidth=0.6, zorder=0)
    axis.set(xscale="log", xlabel="dimension d kept", ylim=(0, 1))
    axis.legend(**BESIDE)


def _colours(palette: str, count: int) -> list[Any]:
    """So many colours of a colour map, without its ends."""
    return list(mpl.colormaps[palette](np.linspace(0, 1, count + 2)[1:-1]))


def _draw_halving(axis: Axes, halving: pd.DataFrame) -> None:
    axis.axhspan(*HALVES_AT, color="0.9", zorder=0, label="the paper's\nrange")
    groups = list(halving.groupby("control", sort=False))
    for colour, marker, (control, group) in zip(
        (f"C{place}" for place in range(len(groups))), MARKERS * len(groups), groups, strict=False
    ):
        for name, line in (("W", "-"), ("unigram", "--")):
            points = group[group.quantity == name]
            label = _in_lines(str(control)) if name == "W" else None
            axis.plot(
                points.sample_ngrams, points.dimension, line, marker=marker, color=colour, markersize=3, label=label
            )
    axis.set(xscale="log", yscale="log", xlabel="n-grams in the sample", ylabel="dimension d")
    axis.legend(**BESIDE)


if __name__ == "__main__":
    with figure_job(snakemake) as (files, options):
        summaries = read_frames("ngram_summary", files.summaries)
        samples = distinct_samples(summaries)
        shown = panels_of(samples, options.order, str(options.sample_size))
        tables = [*files.spectra, *files.smoothed]
        drawn_curves = curves_drawn(read_frames("ngram_spectrum", tables), shown)
        same_order = samples[samples.order == options.order]
        drawn_halving = halving_drawn(summaries, same_order)
        save_figure(draw(drawn_curves, drawn_halving), pd.concat([drawn_curves, drawn_halving]), snakemake.output)
