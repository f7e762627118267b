"""How far models lie above a scaling law: their loss over that of the law, less 1 (arXiv 2404.07647, section 3).

`scaling_rows` gives the rows of the tables `scaling_fit` and `scaling_gaps`.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import astuple
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lm_saturation.scaling.bootstrap import MINIMUM_SIZES
from lm_saturation.scaling.fits import LawFit, Variant, constant_columns, fit_variants
from lm_saturation.scaling.law import NAMES, Law, fit, make_points
from lm_saturation.scaling.parameter_counts import parameters
from lm_saturation.statistics.intervals import interval

ENDS = ["final", "best"]  # the checkpoints whose gaps are computed


def scaling_rows(
    rows: pd.DataFrame, samples: int, pool: Executor
) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """For each variant that the rows of a source allow, its row of `scaling_fit` and those of `scaling_gaps`."""
    ends = rows[rows.checkpoint.isin(ENDS)].drop_duplicates(["model", "checkpoint"])
    for variant, fitted in fit_variants(rows, samples, pool):
        points = variant.fitted(rows)
        keys = {
            "source": rows.source.iloc[0],
            "suite": rows.suite.iloc[0],
            "parameters_counted": variant.count,
            "constants": variant.constants,
        }
        sizes = {"points": len(points), "models": points.model.nunique()}
        fit_row = {**keys, **constant_columns(fitted), **sizes, **mean_gap_columns(fitted, ends, variant.count)}
        yield fit_row, [{**keys, **row} for row in gap_rows(variant, fitted, points, ends)]


def gaps(laws: Sequence[Law], rows: pd.DataFrame, count: str) -> NDArray[np.float64]:
    """(laws, rows) how far losses lie above each law, as a share of it."""
    sizes, tokens = (column.to_numpy(float) for column in (parameters(rows, count), rows.tokens))
    constants = np.array([astuple(law) for law in laws]).reshape(len(laws), len(NAMES))
    a, alpha, b, beta, e = constants.T[:, :, None]
    return rows.loss_nats.to_numpy(float) / (a / sizes**alpha + b / tokens**beta + e) - 1


def mean_gap_columns(fitted: LawFit, ends: pd.DataFrame, count: str) -> dict[str, Any]:
    """Of small models: mean gap of final and of best checkpoints, with intervals; empty if there are none."""
    columns: dict[str, Any] = {}
    for checkpoint in ENDS:
        small = ends[(ends.checkpoint == checkpoint) & (ends.large == 0)]
        means = gaps((fitted.law, *fitted.laws), small, count).mean(1) if len(small) else np.array([np.nan])
        low, high = interval(means[1:])
        mean = None if np.isnan(means[0]) else float(means[0])
        columns |= {f"{checkpoint}_gap": mean, f"{checkpoint}_gap_low": low, f"{checkpoint}_gap_high": high}
    return columns


def gap_rows(variant: Variant, fitted: LawFit, points: pd.DataFrame, ends: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """A row for every final and best checkpoint; `points` are the rows that the law was fitted to."""
    (of_law,), of_samples = (gaps(laws, ends, variant.count) for laws in ([fitted.law], fitted.laws))
    sizes = parameters(ends, variant.count).to_numpy()
    finals = points[points.checkpoint == "final"]
    errors = held_out_errors(finals, variant, fitted.law) if variant.fixed else {}
    for place, row in enumerate(ends.itertuples()):
        low, high = interval(of_samples[:, place]) if fitted.laws else (None, None)
        final = row.checkpoint == "final"
        yield {
            "model": row.model,
            "checkpoint": row.checkpoint,
            "step": row.step,
            "tokens": row.tokens,
            "parameters": int(sizes[place]),
            "loss_nats": row.loss_nats,
            "predicted_nats": float(fitted.law.loss(sizes[place], row.tokens)),
            "gap": of_law[place],
            "gap_low": low,
            "gap_high": high,
            "held_out_error": errors.get(row.model) if final else None,
            "fitted": int(row.model in set(finals.model) and (final or not variant.fixed)),
        }


def held_out_errors(rows: pd.DataFrame, variant: Variant, law: Law) -> dict[str, float]:
    """The gap of each model to a law that is fitted without models of its size, starting from `law`.

    Models are left out where too few other sizes remain.
    """
    sizes = parameters(rows, variant.count)
    errors: dict[str, float] = {}
    for size in sizes.unique():
        others, of_size = rows[sizes != size], rows[sizes == size]
        other_sizes = parameters(others, variant.count)
        if other_sizes.nunique() >= max(MINIMUM_SIZES, len(NAMES) - len(variant.fixed)):
            points = make_points(other_sizes, others.tokens, others.loss_nats)
            without, _ = fit(points, variant.fixed, law.theta()[None])
            errors |= dict(zip(of_size.model, gaps([without], of_size, variant.count)[0].tolist(), strict=True))
    return errors
