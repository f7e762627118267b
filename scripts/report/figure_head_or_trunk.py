"""Rule `figure_head_or_trunk`: wide trunks with heads of low rank beside narrow models, and the share of the head."""

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from lm_saturation.figures.panels import empty_figure
from lm_saturation.figures.style import MARKERS, PUBLISHED, WIDTH, figure_job, save_figure
from lm_saturation.head_or_trunk.kinds import LOW_RANK, NARROW, WIDE
from lm_saturation.io.tables import read_csv
from lm_saturation.report.tables.head_or_trunk import KEYS, all_trainings

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

LABELS = {WIDE: "wide trunk, full head", LOW_RANK: "wide trunk, head of rank r", NARROW: "trunk of width r, full head"}
SHARES = {"head_share": "against the wide model", "share_of_factored": "against the control"}
APART = 1.04  # factor between marks of one rank


def drawn_numbers(trainings: pd.DataFrame, shares: pd.DataFrame) -> pd.DataFrame:
    """What is drawn: the loss of each training, and each share with its interval, as `what`."""
    losses = trainings[trainings.chooses_rate == 0].rename(columns={"cell": "what", "loss_nats": "value"})
    parts = [losses[[*KEYS, "what", "rank", "hidden_size", "seed", "value"]]]
    for name in SHARES:
        ends = {name: "value", f"{name}_low": "low", f"{name}_high": "high"}
        part = shares[[*KEYS, "rank", "hidden_size", *ends]].rename(columns=ends).assign(what=name)
        parts.append(part[part.value.notna()])
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True).reindex(
        columns=[*KEYS, "what", "rank", "hidden_size", "seed", "value", "low", "high"]
    )


def draw(drawn: pd.DataFrame) -> Figure:
    """A row per wide model: losses by rank, and shares."""
    if drawn.empty:
        return empty_figure("Head or trunk: no such trainings (causes.head_or_trunk.models).")
    groups = list(drawn.groupby(KEYS, sort=False))
    figure, axes = plt.subplots(len(groups), 2, figsize=(WIDTH, 2.8 * len(groups)), squeeze=False)
    for (left, right), ((source, suite, model), rows) in zip(axes, groups, strict=True):
        _draw_losses(left, rows)
        _draw_shares(right, rows)
        left.set_title(f"{suite}/{model}, {source}")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize="small")
    figure.suptitle("Head or trunk: what a narrow model loses, and what a narrow head alone costs")
    return figure


def _draw_losses(axis: Axes, rows: pd.DataFrame) -> None:
    wide = rows[rows.what == WIDE]
    axis.axhline(wide.value.mean(), color="C0", linewidth=1)
    for place, (kind, label) in enumerate(LABELS.items()):
        points = rows[rows.what == kind]
        at = points["rank"] * APART ** (place - 1)
        axis.plot(at, points.value, color=f"C{place}", marker=MARKERS[place], markersize=4, linestyle="", label=label)
    axis.set_ylabel("held-out loss (nats/token)")
    _rank_axis(axis, rows["rank"])


def _draw_shares(axis: Axes, rows: pd.DataFrame) -> None:
    axis.axhline(0.5, color=PUBLISHED, zorder=0)
    for place, (name, label) in enumerate(SHARES.items()):
        points = rows[rows.what == name]
        at = points["rank"] * APART ** (2 * place - 1)
        look: dict[str, Any] = {"color": f"C{place}", "marker": MARKERS[place], "markersize": 5}
        axis.plot(at, points.value, **look, markerfacecolor="none" if place else None, linestyle="", label=label)
        axis.vlines(at, points.low, points.high, color=look["color"], linewidth=1.2)
    axis.set(ylabel="share of the head", title="the head explains more than half above the line")
    axis.margins(y=0.2)
    axis.set_ylim(min(0.0, axis.get_ylim()[0]), max(1.0, axis.get_ylim()[1]))
    axis.legend(fontsize="x-small")
    _rank_axis(axis, rows["rank"][rows.what.isin(list(SHARES))])


def _rank_axis(axis: Axes, ranks: pd.Series) -> None:
    axis.set_xscale("log", base=2)
    axis.xaxis.set_major_locator(FixedLocator(sorted(ranks.unique())))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(ScalarFormatter())
    axis.set_xlim(ranks.min() / 2, ranks.max() * 2)  # margins are of the points, which are close together at one rank
    axis.set_xlabel("rank r of the head")


if __name__ == "__main__":
    with figure_job(snakemake) as (files, _):
        trainings = all_trainings(files.trainings, files.shipped)
        numbers = drawn_numbers(trainings, read_csv("table_head_or_trunk", files.shares))
        save_figure(draw(numbers), numbers, snakemake.output)
