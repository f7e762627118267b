"""What the paper's own curves say, read off its figures (resources/), where its text says something else or nothing."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PLATEAU = 5  # successive stretches of a curve
PLATEAU_SPREAD = 0.1  # of their slopes, greatest over least less 1


def least_losses(curves: pd.DataFrame) -> pd.DataFrame:
    """Fig 1a: where each model's loss is least, and its rise from there to the last step with the error of its reading.

    Columns model, best_step, last_step, rise_nats, reading_nats.
    """
    rows = []
    for model, curve in curves.groupby("model", sort=False):
        ordered = curve.sort_values("step")
        best, last = ordered.loc[ordered.loss_nats.idxmin()], ordered.iloc[-1]
        rows.append(
            {
                "model": model,
                "best_step": int(best.step),
                "last_step": int(last.step),
                "rise_nats": last.loss_nats - best.loss_nats,
                "reading_nats": last.loss_uncertainty,
            }
        )
    return pd.DataFrame(rows)


def entropies_by_power(shares: pd.DataFrame, drawn: pd.DataFrame, model: str, width: int) -> pd.DataFrame:
    """Fig 5 beside what Fig 4 gives for it, with singular values and with their squares as the distribution, nats.

    Columns step, drawn, and for each power 1 and 2 its ends `low_p` and `high_p`. Ranks between those that were read
    are interpolated on a logarithmic scale. Those beyond the last, which Fig 4 does not show, lie between 0 and the
    last: the least entropy-deficit has all of them there, the greatest all at 0, because raising the least entries
    towards the others only evens a distribution out.
    """
    printed = drawn[drawn.model == model].set_index("step").singular_entropy
    rows = []
    for step, seen in shares[shares.model == model].groupby("step"):
        if step not in printed.index:
            continue
        ordered = seen.sort_values("rank")
        ranks, logs = np.append(1, ordered["rank"]), np.append(0.0, np.log(ordered.singular_value_share))
        shown = np.exp(np.interp(np.arange(1, ranks[-1] + 1), ranks, logs))
        row = {"step": int(step), "drawn": float(printed[step])}
        for power in (1, 2):
            ends = [np.append(shown, np.full(width - len(shown), end)) for end in (shown[-1], 0.0)]
            row |= {f"{name}_{power}": _deficit(end**power) for name, end in zip(("low", "high"), ends, strict=True)}
        rows.append(row)
    return pd.DataFrame(rows)


def _deficit(weights: NDArray[np.float64]) -> float:
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
        falls = -np.diff(ordered.w_error**2) / np.diff(ordered.dimension)
        windows = [falls[start : start + PLATEAU] for start in range(len(falls) - PLATEAU + 1)]
        straight = [
            window for window in windows if window.min() > 0 and window.max() / window.min() < 1 + PLATEAU_SPREAD
        ]
        size = 1 / np.median(straight[-1]) if straight else np.nan
        rows.append({"corpus": corpus, "tokenizer": tokenizer, "squared_norm": float(size)})
    return pd.DataFrame(rows)
