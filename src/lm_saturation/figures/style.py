"""One style for every figure, and one way to save them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

from lm_saturation.io.atomic import atomic_write
from lm_saturation.jobs import job

mpl.use("Agg")

PUBLISHED = "0.7"  # grey of the paper's own curves
MARKERS = ["o", "s", "^", "D", "v", "P"]  # with LINES, so that curves differ without colour
LINES = ["-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1))]
WIDTH = 7.0  # inches, two columns of a journal
# Places in matplotlib's order: blue first, and last yellow, which is faint on white.
OKABE_ITO = [5, 1, 3, 6, 7, 2, 0, 4]
INK, SMALL, LARGE = "0.15", 8.8, 9.6  # a dark grey; sizes of text in points
LOOK: dict[Any, Any] = {  # rcParams
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.labelsize": LARGE,
    "axes.linewidth": 1.0,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": LARGE,
    "figure.constrained_layout.use": True,
    "font.sans-serif": ["Arial", "DejaVu Sans", "Liberation Sans", "Bitstream Vera Sans", "sans-serif"],
    "font.size": LARGE,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "legend.title_fontsize": LARGE,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.8,
    "lines.solid_capstyle": "round",
    "patch.edgecolor": "w",
    "patch.force_edgecolor": True,
    "patch.linewidth": 0.8,
    "pdf.fonttype": 42,  # embedded as TrueType, so text stays text
    "savefig.dpi": 200,
    "text.color": INK,
}
for side in ("xtick", "ytick"):
    LOOK |= {f"{side}.color": INK, f"{side}.labelsize": SMALL}
    LOOK |= {
        f"{side}.major.size": 4.8,
        f"{side}.major.width": 1.0,
        f"{side}.minor.size": 3.2,
        f"{side}.minor.width": 0.8,
    }


@contextmanager
def figure_job(snakemake: Any) -> Iterator[tuple[Any, Any]]:
    """Run the body of a figure's script in the project's style; yields the job's input and parameters."""
    with job(snakemake):
        set_style(getattr(snakemake.params, "palette", "colorblind"))
        yield snakemake.input, snakemake.params


def set_style(palette: str = "colorblind") -> None:
    """Set fonts, lines and the colours C0, C1, ... of a palette: colorblind, or a colour sequence of matplotlib's."""
    mpl.rcParams.update(LOOK)
    mpl.rcParams["axes.prop_cycle"] = cycler(color=colours(palette))


def colours(palette: str) -> list[Any]:
    """The colours of a palette; colorblind is that of Okabe and Ito (2008), https://jfly.uni-koeln.de/color/."""
    if palette == "colorblind":
        sequence = mpl.color_sequences["okabe_ito"]
        return [sequence[place] for place in OKABE_ITO]
    return list(mpl.color_sequences[palette])


def save_figure(figure: Figure, drawn: pd.DataFrame, output: Any) -> None:
    """Save a figure as PDF and PNG, and exactly the numbers drawn as CSV."""
    undated: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "png": {}}  # same figure, same bytes
    for kind, metadata in undated.items():
        with atomic_write(getattr(output, kind)) as partial:
            figure.savefig(partial, format=kind, metadata=metadata)
        figure.set_layout_engine("none")  # places are found; the next kind keeps them
    with atomic_write(output.csv) as partial:
        drawn.to_csv(partial, index=False, float_format="%.6g", lineterminator="\n")
