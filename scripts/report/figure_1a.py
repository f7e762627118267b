"""Rule `figure_1a`: the held-out loss over training, one panel per model (arXiv 2404.07647, Fig 1a)."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lm_saturation.figures.panels import (
    KEYS,
    PAPER,
    draw_duplicates,
    duplicate_handle,
    empty_figure,
    figure_legend,
    first_of_row,
    join,
    model_panels,
    other_published,
    paper_handle,
    published_curves,
    set_limits,
    trajectories,
)
from lm_saturation.figures.style import PUBLISHED, figure_job, save_figure
from lm_saturation.io.tables import read_frames
from lm_saturation.statistics.paired import paired_errors

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = [*KEYS, "parameters", "source", "step", "share", "loss_nats", "low", "high", "best", "duplicate"]
PUBLISHED_AS = [*KEYS, "parameters", "step", "share", "loss_nats", "loss_low", "loss_high"]
FIVE_GRAM = "0.35"
AFTER = 0.2  # share of the steps after which the loss decides the limits of its axis: short trainings fall steeply
BEST: dict[str, Any] = {"linestyle": "", "marker": "*", "color": "C3", "markersize": 8, "markeredgecolor": "black"}


def curves_drawn(
    metrics: pd.DataFrame, losses: pd.DataFrame, published: pd.DataFrame, names: dict[str, str]
) -> pd.DataFrame:
    """Loss at every checkpoint, the lowest marked, and the error of the difference to it; the paper's curves."""
    ours = trajectories(metrics).assign(source="ours").rename(columns={"cross_entropy_nats": "loss_nats"})
    lowest = ours[ours.duplicate == 0].groupby(KEYS).loss_nats.idxmin()
    ours["best"] = ours.index.isin(lowest).astype(int)
    error = _errors(ours, losses)
    ours = ours.assign(low=ours.loss_nats - error, high=ours.loss_nats + error)
    parts = published_curves(ours, published, names), other_published(ours, published, names)
    paper = join(*parts, columns=PUBLISHED_AS)
    paper = paper.rename(columns={"loss_low": "low", "loss_high": "high"})
    return join(ours, paper.assign(source="paper", best=0, duplicate=0), columns=COLUMNS)


def _errors(ours: pd.DataFrame, losses: pd.DataFrame) -> pd.Series:
    """The standard error of each checkpoint's difference to the best one of its model; empty without sequences."""
    of_models = dict(list(losses.groupby(KEYS)))
    errors = pd.Series(np.nan, index=ours.index)
    for model, own in ours.groupby(KEYS):
        if model in of_models:
            best = own[own.best == 1].step.iloc[0]
            errors[own.index] = own.step.map(paired_errors(of_models[model], best))
    return errors


def five_gram_rows(drawn: pd.DataFrame, models: pd.DataFrame, texts: dict[str, list[str]]) -> pd.DataFrame:
    """The loss of the Kneser–Ney 5-gram model of each suite's corpus and tokenizer, where there is one.

    `texts` maps a suite to its corpus and tokenizer.
    """
    known = models.set_index(["corpus", "tokenizer"]).cross_entropy_nats.to_dict()
    rows = drawn[drawn.source == "ours"].drop_duplicates(KEYS)[[*KEYS, "parameters"]]
    losses = [known.get(tuple(texts.get(suite, ()))) for suite in rows.suite]
    return rows.assign(source="5-gram", loss_nats=losses, best=0, duplicate=0).dropna(subset="loss_nats")


def draw(drawn: pd.DataFrame) -> Figure:
    """One panel per model: ours with its band, the best step, the paper's curve, the 5-gram model.

    The paper's models that none of ours is have panels of their own, over the share of training.
    """
    if drawn.empty:
        return empty_figure("Loss over training: no suite has a model with two checkpoints of its own.")
    figure, panels = model_panels(drawn, 1.8)
    for (suite, model), axis in panels.items():
        points = drawn[(drawn.suite == suite) & (drawn.model == model)]
        ours, paper, five_gram = (points[points.source == source] for source in ("ours", "paper", "5-gram"))
        own = ours[ours.duplicate == 0]
        _draw_paper(axis, paper, "share" if suite == PAPER else "step")
        axis.plot(own.step, own.loss_nats, color="C0", linewidth=1.2)
        axis.fill_between(own.step, own.low, own.high, color="C0", alpha=0.25, linewidth=0)
        best = own[own.best == 1]
        axis.plot(best.step, best.loss_nats, zorder=4, **BEST)
        copies = ours[ours.duplicate == 1]
        draw_duplicates(axis, copies.step, copies.loss_nats, "C0")
        set_limits(axis, [curve for curve in (own, paper) if len(curve)], ["loss_nats", "low", "high"], AFTER)
        if len(five_gram):
            _draw_five_gram(axis, float(five_gram.loss_nats.iloc[0]))
        if first_of_row(axis):
            axis.set_ylabel(f"{suite}\nloss (nats/token)")
    figure.suptitle("Held-out loss over training")
    figure_legend(figure, _handles(drawn))
    return figure


def _draw_paper(axis: Axes, paper: pd.DataFrame, x: str) -> None:
    axis.plot(paper[x], paper.loss_nats, color=PUBLISHED, linewidth=1.5, zorder=1)
    axis.fill_between(paper[x], paper.low, paper.high, color=PUBLISHED, alpha=0.25, linewidth=0, zorder=0)


def _draw_five_gram(axis: Axes, loss: float) -> None:
    """A line, or words where the panel does not reach it."""
    low, high = axis.get_ylim()
    if low <= loss <= high:
        axis.axhline(loss, color=FIVE_GRAM, linestyle=":", linewidth=1)
        return
    text = f"5-gram {loss:.2f} {'↓' if loss < low else '↑'}"
    axis.text(0.98, 0.98, text, ha="right", va="top", fontsize="x-small", color=FIVE_GRAM, transform=axis.transAxes)


def _handles(drawn: pd.DataFrame) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = [
        Line2D([], [], color="C0", label="here"),
        Patch(color="C0", alpha=0.25, linewidth=0, label="± standard error of the difference to the lowest"),
        Line2D([], [], label="lowest loss", **BEST),
    ]
    if (drawn.source == "paper").any():
        handles.append(paper_handle("the paper's; band: standard error of its level"))
    if (drawn.source == "5-gram").any():
        handles.append(Line2D([], [], color=FIVE_GRAM, linestyle=":", label="Kneser–Ney 5-gram model"))
    return [*handles, duplicate_handle()] if (drawn.duplicate == 1).any() else handles


if __name__ == "__main__":
    with figure_job(snakemake) as (files, options):
        curves = curves_drawn(
            read_frames("checkpoint_metrics", files.metrics),
            read_frames("sequence_losses", files.losses),
            pd.read_csv(files.published),
            options.names,
        )
        five_grams = five_gram_rows(curves, read_frames("language_model", files.language_models), options.texts)
        curves = join(curves, five_grams, columns=COLUMNS)
        save_figure(draw(curves), curves, snakemake.output)
