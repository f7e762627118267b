"""One style for every figure, and one way to save them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from lm_saturation.io.atomic import atomic_write
from lm_saturation.jobs import job

mpl.use("Agg")

PUBLISHED = "0.7"  # grey of the paper's own curves
MARKERS = ["o", "s", "^", "D", "v", "P"]  # with LINES, so that curves differ without colour
LINES = ["-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1))]
WIDTH = 7.0  # inches, two columns of a journal


@contextmanager
def figure_job(snakemake: Any) -> Iterator[tuple[Any, Any]]:
    """Run the body of a figure's script in the project's style; yields the job's input and parameters."""
    with job(snakemake):
        set_style(getattr(snakemake.params, "palette", "colorblind"))
        yield snakemake.input, snakemake.params


def set_style(palette: str = "colorblind") -> None:
    """Set the theme, with a palette of seaborn's."""
    sns.set_theme(context="paper", style="ticks", palette=palette)
    mpl.rcParams.update(
        {
            "axes.spines.top": False,
            "axes.spines.right": False,
            "figure.constrained_layout.use": True,
            "legend.frameon": False,
            "pdf.fonttype": 42,  # embedded as TrueType, so text stays text
            "savefig.dpi": 200,
        }
    )


def save_figure(figure: Figure, drawn: pd.DataFrame, output: Any) -> None:
    """Save a figure as PDF and PNG, and exactly the numbers drawn as CSV."""
    undated: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "png": {}}  # same figure, same bytes
    for kind, metadata in undated.items():
        with atomic_write(getattr(output, kind)) as partial:
            figure.savefig(partial, format=kind, metadata=metadata)
    with atomic_write(output.csv) as partial:
        drawn.to_csv(partial, index=False, float_format="%.6g", lineterminator="\n")
