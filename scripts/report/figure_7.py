"""Rule `figure_7`: W-error against d, one panel per tokenizer, one curve per corpus (arXiv 2404.07647, Fig 7)."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lm_saturation.figures.ngram_panels import curve, grid
from lm_saturation.figures.style import LINES, MARKERS, PUBLISHED, WIDTH, figure_job, save_figure
from lm_saturation.io.tables import read_frames

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

PAPER_PANELS = {"llama2": "Llama-2", "pythia": "Pythia"}


def curves_drawn(spectra: pd.DataFrame, published: pd.DataFrame, panels: dict[str, str]) -> pd.DataFrame:
    """Every curve of the figure: of ours the paper's matrix (unit rows, all contexts), then the paper's own."""
    ours = spectra[(spectra.weighting == "unit") & (spectra.min_count == 1)]
    parts = [
        curve(sample, "w_error", grid(int(sample.dimension.max()))).assign(
            tokenizer=tokenizer, series=corpus, source="ours"
        )
        for (tokenizer, corpus), sample in ours.groupby(["tokenizer", "corpus"], sort=False)
    ]
    shown = {tokenizer: panels[tokenizer] for tokenizer in ours.tokenizer.unique() if tokenizer in panels}
    shown |= {own_panel(panel): panel for panel in PAPER_PANELS if panel not in shown.values()}
    parts += [_paper_rows(published, tokenizer, panel) for tokenizer, panel in shown.items()]
    return pd.concat(parts)[["tokenizer", "source", "series", "dimension", "w_error", "low", "high"]]


def own_panel(panel: str) -> str:
    """The title of a panel of the paper that stands behind none of our tokenizers."""
    return f"the paper's, {PAPER_PANELS[panel]}"


def _paper_rows(published: pd.DataFrame, tokenizer: str, panel: str) -> pd.DataFrame:
    paper = published[published.tokenizer == panel]
    columns = {"dimension": paper.dimension, "w_error": paper.w_error, "series": paper.corpus}
    ends = {
        "low": paper.w_error - paper.w_error_uncertainty,
        "high": paper.w_error + paper.w_error_uncertainty,
    }
    return pd.DataFrame({**columns, **ends, "tokenizer": tokenizer, "source": "paper"})


def draw(drawn: pd.DataFrame, panels: dict[str, str], order: int, sample_size: str) -> Figure:
    """One panel per tokenizer, and one for each of the paper's that stands behind none of them."""
    tokenizers = drawn.tokenizer.unique()
    width = WIDTH if len(tokenizers) < 3 else WIDTH / 2 * len(tokenizers)
    figure, axes = plt.subplots(1, len(tokenizers), figsize=(width, 3.0), sharey=True, squeeze=False)
    for axis, tokenizer in zip(axes[0], tokenizers, strict=True):
        panel = drawn[drawn.tokenizer == tokenizer]
        ours = panel[panel.source == "ours"].groupby("series", sort=False)
        for line, marker, (series, points) in zip(LINES * len(ours), MARKERS * len(ours), ours, strict=False):
            axis.plot(
                points.dimension,
                points.w_error,
                linestyle=line,
                marker=marker,
                markevery=0.12,
                markersize=4,
                label=series,
            )
            axis.fill_between(points.dimension, points.low, points.high, alpha=0.25, linewidth=0)
        _draw_paper(axis, panel[panel.source == "paper"], PAPER_PANELS.get(panels.get(tokenizer, ""), tokenizer))
        axis.axhline(0.5, color="0.8", linewidth=0.6, zorder=0)
        axis.set(title=tokenizer, xlabel="dimension d kept", ylim=(0, 1), xlim=(0, None))
        axis.legend(fontsize="small")
    axes[0, 0].set_ylabel("W-error (share of ‖W‖)")
    size = "all" if sample_size == "all" else f"{int(sample_size):,}"
    figure.suptitle(f"Share of the {order}-gram matrix that d dimensions cannot express ({size} {order}-grams)")
    return figure


def _draw_paper(axis: Axes, paper: pd.DataFrame, name: str) -> None:
    for line, (series, points) in zip(LINES, paper.groupby("series", sort=False), strict=False):
        label = f"paper: {series}, {name}" if not name.startswith("the paper") else str(series)
        axis.plot(points.dimension, points.w_error, color=PUBLISHED, linestyle=line, linewidth=1, label=label, zorder=1)


if __name__ == "__main__":
    with figure_job(snakemake) as (files, options):
        spectra = read_frames("ngram_spectrum", files.spectra)
        paper_curves = pd.read_csv(files.published)
        curves = curves_drawn(spectra, paper_curves, options.published)
        figure = draw(curves, options.published, options.order, str(options.sample_size))
        save_figure(figure, curves, snakemake.output)
