"""Rule `figure_miniature`: the search for saturation in miniature: losses, random text, and rise against collapse."""

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lm_saturation.figures.panels import empty_figure
from lm_saturation.figures.style import LINES, MARKERS, PUBLISHED, WIDTH, figure_job, save_figure
from lm_saturation.io.tables import read_csv, read_frames
from lm_saturation.miniature.recipes import RECIPE, recipe_rows

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

KIND = ["corpus", "vocabulary_size", "hidden_size"]
LEAST = 0.005  # nats; the increase that counts
ENDS = ["increase_nats", "increase_low", "increase_high", "entropy_share", "entropy_centred_share"]
COURSES = {"loss_nats": "loss", "loss_on_unigram_text": "loss on unigram text"}
SCHEDULES: dict[str, Any] = dict(zip(("constant", "cosine"), LINES, strict=False))
SHOWN = ["source", *RECIPE, "window", "seen_per_parameter", *COURSES, *ENDS]


def drawn_numbers(parts: dict[str, tuple[pd.DataFrame, pd.DataFrame]]) -> pd.DataFrame:
    """A row per source, recipe and window: means over seeds of the losses, and what the recipe shows at the end."""
    found = [_of_source(source, *tables) for source, tables in parts.items() if len(tables[0])]
    return pd.concat(found, ignore_index=True)[SHOWN] if found else pd.DataFrame(columns=SHOWN)


def _of_source(source: str, runs: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    recipes = recipe_rows(runs, curves)
    keys = [*RECIPE, "window", "tokens"]
    means = curves.groupby(keys, observed=True, sort=False)[list(COURSES)].mean().reset_index()
    rows = means.merge(recipes[[*RECIPE, "parameters", *ENDS]], on=RECIPE, validate="many_to_one")
    return rows.assign(source=source, seen_per_parameter=rows.tokens / rows.parameters)


def draw(drawn: pd.DataFrame) -> Figure:
    """Both losses over their minimum, over training; the increase at the end against singular entropy."""
    if drawn.empty:
        return empty_figure("Saturation in miniature: no model was trained in search of it.")
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH + 1.5, 3.2))
    texts = list(dict.fromkeys(drawn[KIND].itertuples(index=False, name=None)))
    for axis, name in zip(axes, COURSES, strict=False):
        _draw_course(axis, drawn, name, texts)
    _draw_ends(axes[2], drawn.drop_duplicates(["source", *RECIPE]), texts)
    handles = [
        Line2D([], [], **_look(place), label=f"{corpus}, V = {size:,}, d = {width}")
        for place, (corpus, size, width) in enumerate(texts)
    ]
    for schedule, line in SCHEDULES.items():
        handles.append(Line2D([], [], color="0.3", linestyle=line, label=f"{schedule} rate"))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)), fontsize="small")
    figure.suptitle("A search for saturation in miniature")
    return figure


def _look(place: int) -> dict[str, Any]:
    """The colour and mark of the models of one text, vocabulary and width."""
    return {"color": f"C{place}", "marker": MARKERS[place % len(MARKERS)]}


def _draw_course(axis: Axes, drawn: pd.DataFrame, name: str, texts: list[Any]) -> None:
    for _, course in drawn.groupby(["source", *RECIPE], sort=False):
        colour = _look(texts.index(tuple(course[KIND].iloc[0])))["color"]
        line = SCHEDULES[course.schedule.iloc[0]]
        above = course[name] - course[name].min()
        axis.plot(course.seen_per_parameter, above, color=colour, linestyle=line, linewidth=0.8, alpha=0.8)
    if name == "loss_nats":
        axis.axhline(LEAST, color=PUBLISHED, zorder=0)
    axis.set_xscale("log")
    axis.set_yscale("symlog", linthresh=LEAST)
    axis.set_ylim(bottom=0)
    axis.set(xlabel="tokens/parameter", ylabel="nats above the minimum", title=COURSES[name])


def _draw_ends(axis: Axes, recipes: pd.DataFrame, texts: list[Any]) -> None:
    for place, kind in enumerate(texts):
        rows, look = recipes[(recipes[KIND] == list(kind)).all(axis=1)], _look(place)
        axis.plot(rows.entropy_centred_share, rows.increase_nats, markersize=4, linestyle="", **look)
        axis.vlines(rows.entropy_centred_share, rows.increase_low, rows.increase_high, color=look["color"], linewidth=1)
    axis.axhline(0, color="0.3", linewidth=0.6, zorder=0)
    axis.axhline(LEAST, color=PUBLISHED, zorder=0)
    axis.set_xlim(0, 1)
    axis.set(xlabel="centred singular entropy / ln d", ylabel="increase of the loss (nats)", title="At the end")


if __name__ == "__main__":
    with figure_job(snakemake) as (files, _):
        shipped = (
            read_csv("saturation_search", files.shipped_runs),
            read_csv("saturation_search_curves", files.shipped_curves),
        )
        here = (
            read_frames("saturation_search", files.runs),
            read_frames("saturation_search_curves", files.curves),
        )
        numbers = drawn_numbers({"shipped": shipped, "this run": here})
        save_figure(draw(numbers), numbers, snakemake.output)
