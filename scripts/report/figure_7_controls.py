"""Rule `figure_7_controls`: is the rank of language a fact of language, or of the size of the sample?"""

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scripts.common.jobs import job
from scripts.ngrams.thresholds import HALF, HALVES_AT
from scripts.report.samples import curve, grid, read_samples
from scripts.report.style import MARKERS, WIDTH, save_figure, set_style

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

KEYS = ["corpus", "tokenizer", "sample_size", "weighting", "min_count"]
COLUMNS = {"w_error": "W", "unigram_w_error": "unigram"}


def distinct_samples(summary: pd.DataFrame) -> pd.DataFrame:
    """Corpus, tokenizer, sample_size and actual n-grams of each sample, smallest first.

    Sizes beyond the corpus are all the same sample, and only one of them is kept.
    """
    plain = summary[(summary.weighting == "unit") & (summary.min_count == 1)]
    samples = plain[[*KEYS[:3], "ngrams"]].rename(columns={"ngrams": "sample_ngrams"})
    return samples.drop_duplicates(["corpus", "tokenizer", "sample_ngrams"], keep="last").sort_values("sample_ngrams")


def control_name(weighting: str, min_count: int) -> str:
    """What a control is called in the figure."""
    if weighting == "count":
        return "rows weighted by count"
    return "all contexts" if min_count == 1 else f"contexts seen ≥ {min_count} times"


def curves_drawn(spectra: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """W-error and unigram baseline against d: all contexts at every size, every control at the largest size."""
    samples = distinct_samples(summary)
    largest = samples.groupby(["corpus", "tokenizer"]).sample_ngrams.transform("max")
    drawn = spectra.merge(samples.assign(at_largest=samples.sample_ngrams == largest), on=KEYS[:3])
    drawn = drawn[drawn.at_largest | ((drawn.weighting == "unit") & (drawn.min_count == 1))]
    parts = []
    for keys, one in drawn.groupby([*KEYS, "sample_ngrams", "at_largest"]):
        of = dict(zip([*KEYS, "sample_ngrams", "at_largest"], keys, strict=True))
        for column, name in COLUMNS.items():
            points = curve(one, column, grid(int(one.dimension.max())))
            parts.append(points.assign(**of, quantity=name))
    return with_control(pd.concat(parts))


def with_control(frame: pd.DataFrame) -> pd.DataFrame:
    """The same with the column `control`, in one order everywhere: all contexts, count weights, least counts."""
    names = [control_name(*kind) for kind in frame[["weighting", "min_count"]].itertuples(index=False)]
    order = {"sample_ngrams": True, "min_count": True, "weighting": False}
    return frame.assign(control=names).sort_values(list(order), ascending=list(order.values()), kind="stable")


def halving_drawn(summary: pd.DataFrame) -> pd.DataFrame:
    """The dimension at which W-error halves against the number of n-grams in the sample, mean over seeds."""
    columns = {"halving_dimension": "W", "unigram_halving_dimension": "unigram"}
    table = summary.merge(distinct_samples(summary), on=KEYS[:3]).rename(columns=columns)
    melted = table.melt([*KEYS, "sample_ngrams"], list(columns.values()), "quantity", "dimension")
    means = melted.groupby([*KEYS, "sample_ngrams", "quantity"], as_index=False).dimension.mean()
    return with_control(means.assign(w_error=HALF))


def draw(curves: pd.DataFrame, halving: pd.DataFrame) -> Figure:
    """A row for each corpus and tokenizer; columns: sample size, weighting, halving dimension."""
    rows = list(curves.groupby(["tokenizer", "corpus"], sort=False))
    figure, axes = plt.subplots(len(rows), 3, figsize=(WIDTH * 1.4, 2.7 * len(rows)), squeeze=False)
    for (by_size, by_control, by_ngrams), ((tokenizer, corpus), panel) in zip(axes, rows, strict=True):
        _draw_curves(by_size, panel[(panel.weighting == "unit") & (panel.min_count == 1)], "sample_ngrams", "viridis")
        _draw_curves(by_control, panel[panel.at_largest], "control", None)
        _draw_halving(by_ngrams, halving[(halving.corpus == corpus) & (halving.tokenizer == tokenizer)])
        by_size.set_ylabel(f"{corpus}, {tokenizer}\nW-error")
    axes[0, 0].set_title("sample size")
    axes[0, 1].set_title("rows and contexts, largest sample")
    axes[0, 2].set_title("where W-error halves")
    figure.suptitle("W-error of the matrix (solid) and what token frequency alone gives (dashed)")
    return figure


def _draw_curves(axis: Axes, curves: pd.DataFrame, by: str, palette: str | None) -> None:
    groups = list(curves.groupby(by, sort=False))
    colours = sns.color_palette(palette, len(groups))
    for colour, marker, (label, group) in zip(colours, MARKERS * len(groups), groups, strict=False):
        for name, line in (("W", "-"), ("unigram", "--")):
            points = group[group.quantity == name]
            axis.plot(points.dimension, points.w_error, line, color=colour, linewidth=1.2)
            if name == "W":
                axis.plot([], [], line, color=colour, marker=marker, markersize=3, label=_legend(label))
                marks = points.iloc[20::45]  # so that curves differ without colour
                axis.plot(marks.dimension, marks.w_error, marker, color=colour, markersize=3)
    axis.axhline(HALF, color="0.8", linewidth=0.6, zorder=0)
    axis.set(xscale="log", xlabel="dimension d kept", ylim=(0, 1))
    axis.legend(fontsize="x-small", loc="lower left")


def _legend(label: Any) -> str:
    return label if isinstance(label, str) else f"{label:,} n-grams"


def _draw_halving(axis: Axes, halving: pd.DataFrame) -> None:
    axis.axhspan(*HALVES_AT, color="0.9", zorder=0, label="paper's range")
    groups = list(halving.groupby("control", sort=False))
    for colour, marker, (_, group) in zip(
        sns.color_palette(None, len(groups)), MARKERS * len(groups), groups, strict=False
    ):
        for name, line in (("W", "-"), ("unigram", "--")):
            points = group[group.quantity == name]
            axis.plot(points.sample_ngrams, points.dimension, line, marker=marker, color=colour, markersize=3)
    axis.set(xscale="log", yscale="log", xlabel="n-grams in the sample", ylabel="dimension d")
    axis.legend(fontsize="x-small", loc="lower right")


if __name__ == "__main__":
    with job(snakemake):
        set_style(snakemake.params.palette)
        summaries = read_samples("ngram_summary", snakemake.input.summaries)
        drawn_curves = curves_drawn(read_samples("ngram_spectrum", snakemake.input.spectra), summaries)
        drawn_halving = halving_drawn(summaries)
        figure = draw(drawn_curves, drawn_halving)
        save_figure(figure, pd.concat([drawn_curves.drop(columns="at_largest"), drawn_halving]), snakemake.output)
