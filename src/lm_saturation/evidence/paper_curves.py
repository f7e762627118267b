"""Results read off the paper's own curves (resources/), where its text says something else or nothing."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lm_saturation.statistics.data_fission import increase_of_estimates

READING_ERRORS = 2  # standard errors in the uncertainty of a reading
PLATEAU = 5  # successive stretches of a curve
PLATEAU_SPREAD = 0.1  # of their slopes, the largest divided by the smallest, less 1

Array = NDArray[np.float64]


def minimum_losses(curves: pd.DataFrame) -> pd.DataFrame:
    """Fig 1a: where each model's loss is lowest, and its increase from there to the last step.

    Columns model, best_step, last_step, increase_nats; peak_nats, the largest increase on the way; reading_nats, the
    error of reading the last loss off; sampling_nats, its standard error over the paper's 50,000 tokens; and the ends
    increase_low and increase_high of a 95 % interval with both errors, free of the choice of the lowest. The paper
    draws each step's own band. How much of their errors steps share is not known, so they count as independent, which
    is conservative (docs/statistics.md).
    """
    rows = []
    for model, curve in curves.groupby("model", sort=False):
        ordered = curve.sort_values("step")
        best, last = ordered.loc[ordered.loss_nats.idxmin()], ordered.iloc[-1]
        errors = loss_errors(ordered)
        low, high = increase_interval(ordered.loss_nats.to_numpy(), errors)
        rows.append(
            {
                "model": model,
                "best_step": int(best.step),
                "last_step": int(last.step),
                "increase_nats": last.loss_nats - best.loss_nats,
                "peak_nats": ordered.loss_nats[ordered.step >= best.step].max() - best.loss_nats,
                "reading_nats": last.loss_uncertainty,
                "sampling_nats": (last.loss_high - last.loss_low) / 2,
                "increase_low": low,
                "increase_high": high,
            }
        )
    return pd.DataFrame(rows)


def increase_interval(values: Array, errors: Array) -> tuple[float | None, float | None]:
    """As `increase_of_estimates`, once for every curve: claims judge the same one at several cuts."""
    return _increase_interval(tuple(values.tolist()), tuple(errors.tolist()))


@lru_cache
def _increase_interval(values: tuple[float, ...], errors: tuple[float, ...]) -> tuple[float | None, float | None]:
    return increase_of_estimates(np.array(values), np.array(errors))


def loss_errors(curve: pd.DataFrame) -> Array:
    """(steps,) standard errors of losses of Fig 1a: the half-width of the band, and half the error of the reading."""
    band = (curve.loss_high - curve.loss_low).to_numpy(float) / 2
    return np.hypot(band, curve.loss_uncertainty.to_numpy(float) / READING_ERRORS)


def entropies_by_power(shares: pd.DataFrame, drawn: pd.DataFrame, model: str, width: int) -> pd.DataFrame:
    """Fig 5 beside what Fig 4 gives for it, with singular values and with their squares as the distribution, nats.

    `shares` is Fig 4, `drawn` Fig 5. Columns step, drawn, and for each power 1 and 2 its bounds `low_p` and `high_p`.
    """
    printed = drawn[drawn.model == model].set_index("step").singular_entropy
    rows = []
    for step, spectrum in shares[shares.model == model].groupby("step"):
        if step in printed.index:
            bounds = list(_spectra(spectrum, width))
            row = {"step": int(step), "drawn": float(printed[step])}
            for power in (1, 2):
                row |= {f"{name}_{power}": _deficit(values**power) for name, values in bounds}
            rows.append(row)
    return pd.DataFrame(rows)


def _spectra(spectrum: pd.DataFrame, width: int) -> Iterator[tuple[str, Array]]:
    """The spectra (width,) of lowest and of highest deficit of entropy that Fig 4 allows, largest value 1.

    Ranks between those that were read off are interpolated on a logarithmic scale. Those beyond the last, which Fig 4
    does not show, lie between 0 and the last: the lowest deficit has all of them there, the highest all at 0, because
    raising the smallest entries towards the others only evens a distribution out.
    """
    ordered = spectrum.sort_values("rank")
    ranks, logs = np.append(1, ordered["rank"]), np.append(0.0, np.log(ordered.singular_value_share))
    shown = np.exp(np.interp(np.arange(1, ranks[-1] + 1), ranks, logs))
    for name, tail in (("low", shown[-1]), ("high", 0.0)):
        yield name, np.append(shown, np.full(width - len(shown), tail))


def _deficit(weights: Array) -> float:
    """KL of the normalised weights to the uniform distribution, nats: ln d − H(p)."""
    p = weights / weights.sum()
    p = p[p > 0]
    return float(np.log(len(weights)) + (p * np.log(p)).sum())


def matrix_sizes(curves: pd.DataFrame) -> pd.DataFrame:
    """Fig 7: ‖W‖_F² of each curve, about its number of contexts. Columns corpus, tokenizer, squared_norm.

    W-error(d)² falls by σ_d² / ‖W‖_F² at each d. Where W's singular values are 1, of tokens that follow one context
    once, it is a straight line of slope 1 / ‖W‖_F²: the last straight stretch, before values below 1. Where there is
    none, the cell is empty.
    """
    rows = []
    for (tokenizer, corpus), curve in curves.groupby(["tokenizer", "corpus"], sort=False):
        ordered = curve.sort_values("dimension")
        slopes = _last_plateau(-np.diff(ordered.w_error**2) / np.diff(ordered.dimension))
        size = np.nan if slopes is None else 1 / np.median(slopes)
        rows.append({"corpus": corpus, "tokenizer": tokenizer, "squared_norm": float(size)})
    return pd.DataFrame(rows)


def _last_plateau(slopes: Array) -> Array | None:
    """The last five successive slopes that are about the same; None if there are none."""
    windows = [slopes[start : start + PLATEAU] for start in range(len(slopes) - PLATEAU + 1)]
    straight = [window for window in windows if window.min() > 0 and window.max() / window.min() < 1 + PLATEAU_SPREAD]
    return straight[-1] if straight else None
