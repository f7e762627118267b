"""Rule `figure_invisible`: what figures 2 to 5 show of saturated models, produced and removed at no cost."""

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lm_saturation.figures.panels import empty_figure, log_axis
from lm_saturation.figures.style import LINES, MARKERS, PUBLISHED, WIDTH, figure_job, save_figure
from lm_saturation.invisible.forms import AS_TRAINED, CANONICAL, CENTRED, HALVES, LOUD, OFFSET, PRODUCED
from lm_saturation.io.tables import read_frames

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

KEYS = ["suite", "model", "hidden_size", "state", "asked_offset", "precision"]
SHAPES = ["anisotropy", "sigma_ratio", "entropy_share"]
TARGETS = [f"{name}_target" for name in SHAPES]
COLUMNS = [*KEYS, *SHAPES, *TARGETS, "logit_offset", "loss_nats", "loss_change_nats", "rounding_nats", "predicted_nats"]
STATES = {AS_TRAINED: "as trained", PRODUCED: "produced", CENTRED: "centred", CANONICAL: "canonical"}
UNCHANGED = 1e-6  # nats
SMALLEST = 1e-16  # change that is drawn
LABELS = {  # of axes, and the figure that shows it
    "anisotropy": ("mean cosine of last states", "As figure 2"),
    "sigma_ratio": ("σ2/σ1 of the LM head", "As figure 4"),
    "entropy_share": ("singular entropy / log d", "As figure 5"),
}
MARGIN = 0.05  # nats; about the paper's larger increases of the loss
LINEAR = 1e-3  # nats; the axis of costs is linear up to there


def drawn_numbers(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that are drawn; singular entropy as a share of its largest value, log d."""
    largest = np.log(rows.hidden_size.to_numpy(float))
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = {
            "entropy_share": rows.singular_entropy / largest,
            "entropy_share_target": rows.entropy_target / largest,
        }
    return rows.assign(**shares)[rows.state.isin([*STATES, LOUD, OFFSET])][COLUMNS].reset_index(drop=True)


def draw(drawn: pd.DataFrame) -> Figure:
    """Three metrics by state; the loss by state, against mean cosine and by offset."""
    if drawn.empty:
        return empty_figure(
            "Produced and removed: this configuration changes no checkpoint (causes.intervention.suites)."
        )
    figure, axes = plt.subplots(2, 3, figsize=(WIDTH + 1.5, 5.4))
    by_width = drawn.sort_values("hidden_size", kind="stable").drop_duplicates(["suite", "model"])
    models = list(zip(by_width.suite, by_width.model, strict=True))
    looks = {model: _look(place) for place, model in enumerate(models)}
    single = drawn[drawn.precision == "float32"]
    for axis, name in zip(axes[0], SHAPES, strict=True):
        _draw_shapes(axis, single, name, looks)
    _draw_losses(axes[1][0], single, looks)
    _draw_changes(axes[1][1], drawn, looks)
    _draw_rounding(axes[1][2], drawn)
    handles = [Line2D([], [], label=model, **look) for (_, model), look in looks.items()]
    handles.append(Line2D([], [], color=PUBLISHED, label="the paper's model"))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(6, len(handles)), fontsize="small")
    figure.suptitle("What softmax does not see, produced and removed")
    return figure


def _look(place: int) -> dict[str, Any]:
    return {"color": f"C{place % 10}", "marker": MARKERS[place % len(MARKERS)], "markersize": 4, "linewidth": 1}


def _of(rows: pd.DataFrame, model: tuple[str, str]) -> pd.DataFrame:
    return rows[(rows.suite == model[0]) & (rows.model == model[1])]


def _draw_shapes(axis: Axes, rows: pd.DataFrame, name: str, looks: dict[Any, dict[str, Any]]) -> None:
    for model, look in looks.items():
        values = _of(rows, model).set_index("state")[name]
        axis.plot(range(len(STATES)), [values[state] for state in STATES], **look)
    axis.axhline(rows[f"{name}_target"].iloc[0], color=PUBLISHED, zorder=0)
    axis.set_xticks(range(len(STATES)), list(STATES.values()), rotation=25, ha="right")
    label, title = LABELS[name]
    axis.set(ylabel=label, title=title)
    if name == "sigma_ratio":
        log_axis(axis)


def _draw_losses(axis: Axes, rows: pd.DataFrame, looks: dict[Any, dict[str, Any]]) -> None:
    for model, look in looks.items():
        points = _of(rows, model).set_index("state").loc[list(STATES)]
        axis.plot(points.anisotropy, points.loss_nats, **look)
    axis.axvline(rows.anisotropy_target.iloc[0], color=PUBLISHED, zorder=0)
    losses = rows.loss_nats[rows.state.isin(STATES)]
    axis.set_ylim(losses.min() - MARGIN, losses.max() + MARGIN)
    axis.set(xlabel="mean cosine", ylabel="loss (nats/token)", title="As figure 3")


def _draw_changes(axis: Axes, rows: pd.DataFrame, looks: dict[Any, dict[str, Any]]) -> None:
    states = {PRODUCED: "produced", LOUD: "loud", CENTRED: "centred", CANONICAL: "canonical"}
    for model, look in looks.items():
        for precision, line, fill in (("float32", LINES[0], look["color"]), ("float64", LINES[2], "none")):
            points = _of(rows[rows.precision == precision], model).set_index("state")
            changes = [max(SMALLEST, abs(points.loss_change_nats[state])) for state in states]
            axis.plot(range(len(states)), changes, **look | {"linestyle": line, "markerfacecolor": fill})
    axis.axhline(UNCHANGED, color=PUBLISHED, zorder=0)
    axis.set_yscale("log")
    axis.set_xticks(range(len(states)), list(states.values()), rotation=25, ha="right")
    axis.set(ylabel="|change of the loss| (nats)", title="Filled: float32; hollow: float64")


def _draw_rounding(axis: Axes, rows: pd.DataFrame) -> None:
    offsets = rows[rows.state == OFFSET]
    for place, half in enumerate(HALVES):
        points = offsets[(offsets.precision == half) & offsets.rounding_nats.notna()].sort_values("logit_offset")
        colour = f"C{place}"
        axis.plot(
            points.logit_offset, points.rounding_nats, color=colour, linestyle="", marker=MARKERS[place], label=half
        )
        curve = points.groupby("asked_offset")[["logit_offset", "predicted_nats"]].median()
        axis.plot(curve.logit_offset, curve.predicted_nats, color=colour, linestyle=LINES[2])
    axis.set_xscale("log")
    axis.set_yscale("symlog", linthresh=LINEAR, linscale=0.5)
    if offsets.rounding_nats.notna().any():
        axis.set_ylim(min(-LINEAR, 1.5 * float(offsets.rounding_nats.min())), 2 * float(offsets.rounding_nats.max()))
    axis.set(xlabel="offset of the logits (nats)", ylabel="cost of rounding (nats/token)", title="Dotted: predicted")
    axis.legend(fontsize="x-small")


if __name__ == "__main__":
    with figure_job(snakemake) as (files, _):
        numbers = drawn_numbers(read_frames("offset_intervention", files.interventions))
        save_figure(draw(numbers), numbers, snakemake.output)
