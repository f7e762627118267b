"""Rule `figure_tied_end`: what models with each remedy end with, and how soon (Su 2023)."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lm_saturation.claims.tied import QUALITY, SPEED
from lm_saturation.figures.panels import empty_figure
from lm_saturation.figures.remedy_panels import LOOKS, in_order
from lm_saturation.figures.style import PUBLISHED, WIDTH, figure_job, save_figure
from lm_saturation.io.tables import read_csv
from lm_saturation.tied.comparison import FLAT, PLAIN, SETTING
from lm_saturation.tied.remedies import REMEDIES

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

PANELS = {"final_nats": ("final loss", QUALITY.value), "steps_to_loss": ("steps to the loss", SPEED.value)}
PANEL = ["source", *SETTING]
COLUMNS = [*PANEL, "vocabulary_size", "quantity", "remedy", "seeds", "value", "low", "high", "doubling_gain"]


def shares_drawn(comparisons: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Differences from plain tying as shares of its mean, by source; of trainings whose rates were tried."""
    parts = [table.assign(source=source) for source, table in comparisons.items() if len(table)]
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    rows = pd.concat(parts, ignore_index=True)
    rows = rows[(rows.reference == PLAIN) & rows.doubling_gain.notna()]
    shares = {"value": "difference", "low": "low", "high": "high"}
    made = {name: rows[column].astype(float) / rows.reference_mean for name, column in shares.items()}
    return rows.assign(**made)[COLUMNS].reset_index(drop=True)


def draw(drawn: pd.DataFrame) -> Figure:
    """A row per source and setting, a column per quantity."""
    if drawn.empty:
        return empty_figure("Remedies for tied embeddings: no training that tries learning rates.")
    groups = list(drawn.groupby(PANEL, sort=False))
    names = in_order(drawn.remedy)
    height = 0.6 + 0.2 * len(names)
    figure, axes = plt.subplots(
        len(groups), 2, figsize=(WIDTH, height * len(groups) + 0.5), squeeze=False, sharex="col", sharey=True
    )
    for row, ((source, _, scale), own) in zip(axes, groups, strict=True):
        size, seeds = own.vocabulary_size.iloc[0], own.seeds.iloc[0]
        row[0].set_title(f"n = {size:,}, branches from {scale:g} ({source}, {seeds} seeds)", fontsize="medium")
        for axis, (quantity, (_, margin)) in zip(row, PANELS.items(), strict=True):
            _draw_shares(axis, own[own.quantity == quantity], names, margin)
    for axis, (label, _) in zip(axes[-1], PANELS.values(), strict=True):
        axis.set_xlabel(f"{label}, % off plain tying")
    figure.suptitle("Remedies for tied embeddings, each at its best learning rate")
    return figure


def _draw_shares(axis: Axes, rows: pd.DataFrame, names: list[str], margin: float) -> None:
    axis.axvspan(-100 * margin, 100 * margin, color=PUBLISHED, alpha=0.25, lw=0)
    axis.axvline(0, color="0.4", lw=0.8)
    for row in rows.itertuples():
        look, place = LOOKS[row.remedy], names.index(row.remedy)
        alpha = 1.0 if row.doubling_gain < FLAT else 0.4
        axis.plot([100 * row.value], [place], color=look["color"], marker=look["marker"], markersize=5, alpha=alpha)
        axis.hlines(place, 100 * row.low, 100 * row.high, color=look["color"], lw=1.2, alpha=alpha)
    axis.set_yticks(range(len(names)), [REMEDIES[name].label for name in names], fontsize="small")
    axis.set_ylim(len(names) - 0.5, -0.5)


if __name__ == "__main__":
    with figure_job(snakemake) as (files, _):
        tables = {
            "shipped": read_csv("shipped_tied_comparison", files.shipped),
            "this run": read_csv("tied_comparison", files.here),
        }
        shares = shares_drawn(tables)
        save_figure(draw(shares), shares, snakemake.output)
