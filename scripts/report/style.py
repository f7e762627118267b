"""One style for every figure, and one way to save them."""

from typing import Any

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from scripts.common.jobs import InputError, whole_file

mpl.use("Agg")

PUBLISHED = "0.7"  # grey of the paper's own curves
MARKERS = ["o", "s", "^", "D", "v"]  # with LINES, so that curves differ without colour
LINES = ["-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1))]
WIDTH = 7.0  # inches, two columns of a journal


def set_style(palette: str) -> None:
    """Set the theme. Raises InputError if seaborn has no such palette."""
    try:
        sns.set_theme(context="paper", style="ticks", palette=palette)
    except ValueError as error:
        names = "colorblind, deep, muted, bright, dark, pastel, or any that seaborn knows"
        raise InputError(f"report.palette is {palette!r}; allowed: {names}") from error
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
        with whole_file(getattr(output, kind)) as partial:
            figure.savefig(partial, format=kind, metadata=metadata)
    with whole_file(output.csv) as partial:
        drawn.to_csv(partial, index=False, float_format="%.6g", lineterminator="\n")
