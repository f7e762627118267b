"""Figures with a row of panels per suite, a panel per quantity, a line per model and variant: centred, precision."""

from collections.abc import Callable, Mapping
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lm_saturation.figures.panels import (
    KEYS,
    draw_curve,
    figure_legend,
    size_legend,
    size_styles,
    source_handles,
    step_axis,
    trajectories,
)

COLUMNS = [*KEYS, "parameters", "quantity", "variant", "step", "value", "duplicate"]
VARIANT_LINES = ["-", (0, (3, 1.5))]


def long_curves(
    metrics: pd.DataFrame, quantities: Mapping[str, Mapping[str, Callable[[pd.DataFrame], Any]]]
) -> pd.DataFrame:
    """Every quantity and variant over steps; `quantities` gives each as a function of checkpoint_metrics."""
    ours = trajectories(metrics)
    parts = [
        ours.assign(quantity=quantity, variant=variant, value=formula(ours))
        for quantity, variants in quantities.items()
        for variant, formula in variants.items()
    ]
    return pd.concat(parts, ignore_index=True)[COLUMNS].dropna(subset="value")


def draw_rows(
    drawn: pd.DataFrame,
    labels: Mapping[str, str],
    finish: Callable[[Axes, str, pd.DataFrame], None],
) -> Figure:
    """One row per suite, one panel per quantity of `labels`; the second variant is dashed. `finish` sets the axes."""
    suites = list(drawn.suite.unique())
    size = (2.7 * len(labels) + 0.8, 2.2 * len(suites) + 0.8)
    figure, axes = plt.subplots(len(suites), len(labels), figsize=size, squeeze=False)
    for line, suite in zip(axes, suites, strict=True):
        row = drawn[drawn.suite == suite]
        styles = size_styles(row)
        for axis, quantity in zip(line, labels, strict=True):
            panel = row[row.quantity == quantity]
            variants = list(drawn[drawn.quantity == quantity].variant.unique())
            for (model, variant), points in panel.groupby(["model", "variant"], sort=False):
                look = {**styles[model], "linestyle": VARIANT_LINES[variants.index(variant)]}
                draw_curve(axis, points, "value", **look)
            step_axis(axis)
            finish(axis, quantity, panel)
        line[0].set_ylabel(suite)
        size_legend(line[-1], {model: {**style, "linestyle": "-"} for model, style in styles.items()})
    for axis, (quantity, label) in zip(axes[0], labels.items(), strict=True):
        axis.set_title(f"{label}\n{_line_names(drawn[drawn.quantity == quantity])}", fontsize="small")
    figure_legend(figure, source_handles(drawn))
    return figure


def _line_names(panel: pd.DataFrame) -> str:
    variants = list(panel.variant.unique())
    if len(variants) < 2:
        return ""
    return ", ".join(f"{line}: {variant}" for line, variant in zip(("solid", "dashed"), variants, strict=True))
