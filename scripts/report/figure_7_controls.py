"""Rule `figure_7_controls`: is the rank of language a fact of language, or of the size of the sample?"""

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from scripts.common.jobs import job
from scripts.ngrams.thresholds import HALF, HALVES_AT
from scripts.report.samples import curve, grid, read_samples
from scripts.report.style import WIDTH, save_figure, set_style

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

KEYS = ["corpus", "tokenizer", "sample_size", "weighting", "min_count"]
COLUMNS = {"w_error": "W", "unigram_w_error": "unigram"}


def usable(summary: pd.DataFrame) -> pd.DataFrame:
    """The samples worth drawing: those that are as large as asked for, smallest first."""
    first = summary[(summary.weighting == "unit") & (summary.min_count == 1)]
    asked = pd.to_numeric(first.sample_size, errors="coerce")
    whole = first[asked.isna() | (asked <= first.ngrams)]
    return whole.drop_duplicates(["corpus", "tokenizer", "ngrams"], keep="last").sort_values("ngrams")


def variant_name(weighting: str, min_count: int) -> str:
    """What a control is called in the figure."""
    if weighting == "count":
        return "rows weighted by count"
    return "all contexts" if min_count == 1 else f"contexts seen ≥ {min_count} times"


def curves_drawn(spectra: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """W-error and unigram baseline against d: all contexts at every size, every control at the largest size."""
    sizes = usable(summary)
    last = sizes.drop_duplicates(["corpus", "tokenizer"], keep="last")
    parts = []
    for keys, one in spectra.groupby(KEYS, sort=False):
        of = dict(zip(KEYS, keys, strict=True))
        sample = [of[key] for key in KEYS[:3]]
        plain = of["weighting"] == "unit" and of["min_count"] == 1
        if sample not in (sizes if plain else last)[KEYS[:3]].values.tolist():
            continue
        for column, name in COLUMNS.items():
            points = curve(one, column, grid(int(one.dimension.max())))
            parts.append(points.assign(**of, quantity=name, at_largest=sample in last[KEYS[:3]].values.tolist()))
    return pd.concat(parts)


def halving_drawn(summary: pd.DataFrame) -> pd.DataFrame:
    """The dimension at which W-error halves against the number of n-grams in the sample, mean over seeds."""
    asked = usable(summary)[[*KEYS[:3], "ngrams"]].rename(columns={"ngrams": "sample_ngrams"})
    columns = {"halving_dimension": "W", "unigram_halving_dimension": "unigram"}
    table = summary.merge(asked, on=KEYS[:3]).rename(columns=columns)
    melted = table.melt([*KEYS, "sample_ngrams"], list(columns.values()), "quantity", "dimension")
    return melted.groupby([*KEYS, "sample_ngrams", "quantity"], as_index=False).dimension.mean().assign(w_error=HALF)


def draw(curves: pd.DataFrame, halving: pd.DataFrame) -> Any:
    """A row for each corpus and tokenizer; columns: sample size, weighting, halving dimension."""
    rows = list(curves.groupby(["tokenizer", "corpus"], sort=False))
    figure, axes = plt.subplots(len(rows), 3, figsize=(WIDTH * 1.4, 2.7 * len(rows)), squeeze=False)
    for (by_size, by_control, by_ngrams), ((tokenizer, corpus), panel) in zip(axes, rows, strict=True):
        plain = panel[(panel.weighting == "unit") & (panel.min_count == 1)]
        names = [f"{size} 5-grams" if size == "all" else f"{int(size):,}" for size in plain.sample_size.unique()]
        _draw_curves(by_size, plain, ["sample_size"], [name.replace(" 5-grams", "") for name in names], "viridis")
        controls = panel[panel.at_largest]
        kinds = controls[["weighting", "min_count"]].drop_duplicates().values.tolist()
        labels = [variant_name(*kind) for kind in kinds]
        _draw_curves(by_control, controls, ["weighting", "min_count"], labels, None)
        _draw_halving(by_ngrams, halving[(halving.corpus == corpus) & (halving.tokenizer == tokenizer)])
        by_size.set(ylabel=f"{corpus}, {tokenizer}\nW-error", title="sample size")
        by_control.set(title=f"controls, sample: {controls.sample_size.iloc[0]}")
    figure.suptitle("W-error against sample size, weighting and what token frequency alone gives (dashed)")
    return figure


def _draw_curves(axis: Axes, curves: pd.DataFrame, by: list[str], labels: list[str], palette: str | None) -> None:
    colours = sns.color_palette(palette, len(labels) + (palette is not None))
    for colour, label, (_, group) in zip(colours, labels, curves.groupby(by, sort=False), strict=False):
        for name, line in (("W", "-"), ("unigram", "--")):
            points = group[group.quantity == name]
            axis.plot(points.dimension, points.w_error, line, color=colour, label=label if name == "W" else None)
    axis.axhline(0.5, color="0.8", linewidth=0.6, zorder=0)
    axis.set(xscale="log", xlabel="dimension d kept", ylim=(0, 1))
    axis.legend(fontsize="x-small", loc="lower left")


def _draw_halving(axis: Axes, halving: pd.DataFrame) -> None:
    axis.axhspan(*HALVES_AT, color="0.9", zorder=0, label="paper's range")
    kinds = halving[["weighting", "min_count"]].drop_duplicates().sort_values(["min_count", "weighting"], ascending=[True, False])
    for colour, (weighting, min_count) in zip(sns.color_palette(), kinds.values.tolist(), strict=False):
        of_kind = halving[(halving.weighting == weighting) & (halving.min_count == min_count)].sort_values("sample_ngrams")
        for name, line in (("W", "o-"), ("unigram", "o--")):
            points = of_kind[of_kind.quantity == name]
            axis.plot(points.sample_ngrams, points.dimension, line, color=colour, markersize=3)
    axis.set(xscale="log", yscale="log", xlabel="n-grams in the sample", ylabel="d where W-error halves", title="halving")
    axis.legend(fontsize="x-small", loc="lower right")


if __name__ == "__main__":
    with job(snakemake):
        set_style(snakemake.params.palette)
        summaries = read_samples("ngram_summary", snakemake.input.summaries)
        drawn_curves = curves_drawn(read_samples("ngram_spectrum", snakemake.input.spectra), summaries)
        drawn_halving = halving_drawn(summaries)
        figure = draw(drawn_curves, drawn_halving)
        save_figure(figure, pd.concat([drawn_curves.drop(columns="at_largest"), drawn_halving]), snakemake.output)
