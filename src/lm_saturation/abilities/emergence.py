"""Whether abilities emerge at a loss (Du, Zeng, Dong and Tang 2024, arXiv 2403.15796).

Their claims: models of all sizes fall on one curve; some abilities stay at chance until the loss falls below a tipping
point η; so an ability needs N ≥ N₀ (η − L∞)^(−1/α) parameters.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from lm_saturation.abilities.curves import MINIMUM_MODELS, TippingPoint, tipping_point
from lm_saturation.abilities.loss_points import POINT_KEYS
from lm_saturation.abilities.loss_shift import loss_shift
from lm_saturation.abilities.score_scales import performance, performance_sign
from lm_saturation.abilities.two_slopes import two_slopes
from lm_saturation.io.logs import progress
from lm_saturation.statistics.jackknife import jackknife_interval

MINIMUM_POINTS = 12
TRAINED_FROM = 0.01  # of a model's steps, Pythia's warm-up: before, models guess at losses of up to 20 nats

Row = dict[str, Any]
Array = NDArray[np.float64]
Integers = NDArray[np.int64]


def emergence_fits(points: pd.DataFrame, samples: int) -> list[Row]:
    """Rows of `emergence_fits`: each task, metric and loss of `emergence_points` with enough models.

    Checkpoints count from the end of the learning rate's warm-up on. `samples` bootstrap samples give the intervals of
    tipping points, jackknives over models the others.
    """
    groups = [rows for _, rows in trained(points).groupby(POINT_KEYS, sort=False)]
    fits = (emergence_fit(rows, samples) for rows in progress(groups, "curves", len(groups), "curve"))
    return [fit for fit in fits if fit]


def trained(points: pd.DataFrame) -> pd.DataFrame:
    """The points of checkpoints past the warm-up of the learning rate."""
    return points[points.step >= TRAINED_FROM * points.groupby(["suite", "model"]).step.transform("max")]


def emergence_fit(rows: pd.DataFrame, samples: int) -> Row | None:
    """The row of `emergence_fits` for the points of one task, metric and loss.

    None with fewer than five models or twelve points, or where performance is the same everywhere.
    """
    models = pd.factorize(rows.suite + "/" + rows.model)[0]
    y, losses = performance(rows), rows.loss.to_numpy(float)
    if len(np.unique(models)) < MINIMUM_MODELS or len(rows) < MINIMUM_POINTS or np.ptp(y) == 0:
        return None
    spearman, *ends = spearman_interval(losses, rows.value.to_numpy(float), models)
    return {
        **{key: rows[key].iloc[0] for key in POINT_KEYS},
        "models": len(np.unique(models)),
        "points": len(rows),
        "chance": None if rows.chance.isna().any() else float(rows.chance.mean()),
        "noise_share": noise_share(y, rows.stderr.to_numpy(float)),
        **_estimate("spearman", spearman, *ends),
        **_shift("size_shift", losses, y, np.log10(rows.parameters.to_numpy(float)), models),
        **_shift("token_shift", losses, y, np.log10(rows.tokens.to_numpy(float)), models),
        **_shift("suite_shift", losses, y, _second_suite(rows.suite), models),
        **_slope_columns(losses, y, models),
        **_tipping_columns(tipping_point(losses, y, models, samples), performance_sign(rows.metric.iloc[0])),
    }


def noise_share(y: Array, errors: Array) -> float | None:
    """Share of the variance of performances (n,) that is noise of their items, by their standard errors (n,).

    It says whether a task tells checkpoints apart at all, whatever it depends on. None if an error is not known.
    """
    return None if np.isnan(errors).any() else float((errors**2).mean() / y.var())


def spearman_interval(losses: Array, values: Array, models: Integers) -> tuple[float, float | None, float | None]:
    """The rank correlation and its 95 % interval: a jackknife over models, on Fisher's scale."""
    kept = [np.ones(len(models), bool), *(models != model for model in np.unique(models))]
    correlations = np.array([stats.spearmanr(losses[rows], values[rows]).statistic for rows in kept])
    with np.errstate(divide="ignore"):
        scaled = np.arctanh(correlations)
    low, high = jackknife_interval(float(scaled[0]), scaled[1:])
    if low is None or high is None or not np.isfinite([low, high]).all():
        return float(correlations[0]), None, None
    return float(correlations[0]), float(np.tanh(low)), float(np.tanh(high))


def _second_suite(suites: pd.Series) -> Array:
    """1 for points of the second suite and 0 for those of the first; all NaN unless there are two."""
    numbers = pd.factorize(suites, sort=True)[0].astype(float)
    return numbers if numbers.max() == 1 else np.full(len(numbers), np.nan)


def _shift(name: str, losses: Array, y: Array, x: Array, models: Integers) -> Row:
    """The columns of a shift of the loss by x (n,); empty where x is not known, or the same everywhere."""
    if not np.isfinite(x).all() or np.ptp(x) == 0:
        return _estimate(name, None, None, None)
    shift = loss_shift(losses, y, x, models)
    return _estimate(name, shift.shift, shift.low, shift.high)


def _slope_columns(losses: Array, y: Array, models: Integers) -> Row:
    slopes = two_slopes(losses, y, models)
    return {
        "break_loss": slopes.break_loss,
        **_estimate("slope_above", slopes.above, slopes.above_low, slopes.above_high),
        **_estimate("slope_below", slopes.below, slopes.below_low, slopes.below_high),
    }


def _estimate(name: str, value: float | None, low: float | None, high: float | None) -> Row:
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _tipping_columns(tipping: TippingPoint, sign: int) -> Row:
    return {
        "tipping_point": tipping.point,
        "tipping_point_low": tipping.point_low,
        "tipping_point_high": tipping.point_high,
        "floor": tipping.floor * sign,
        "kinked_error": tipping.kinked_error,
        "smooth_error": tipping.smooth_error,
        "smooth": tipping.smooth,
        "kink_advantage": tipping.advantage,
        "kink_advantage_low": tipping.advantage_low,
        "kink_advantage_high": tipping.advantage_high,
        "kinked": int(tipping.is_supported),
    }


def tokens_seen(metrics: pd.DataFrame) -> dict[str, float]:
    """By suite, the tokens of its latest checkpoint, from rows of `checkpoint_metrics`; NaN if they are not known."""
    return {str(suite): float(rows.tokens.max()) for suite, rows in metrics.groupby("suite")}


def emergence_sizes(fits: Sequence[Row], laws: pd.DataFrame, tokens: Mapping[str, float]) -> list[Row]:
    """Rows of `emergence_sizes`: the parameters needed for each tipping point of a suite with a scaling law.

    `fits` are rows of `emergence_fits`, `laws` of `scaling_fit`, `tokens` what the models of a suite saw.
    """
    known = [fit for fit in fits if np.isfinite(tokens.get(fit["family"], np.nan))]
    return [row for fit in known for row in parameters_needed(fit, laws, tokens[fit["family"]])]


def parameters_needed(fit: Row, laws: pd.DataFrame, tokens: float) -> Iterator[Row]:
    """Parameters that reach the tipping point, N ≥ (A / (η − L∞))^(1/α), by each law fitted to the family.

    L∞ = E + B / T^β at the `tokens` T that the family's models saw. None where no size reaches it.
    """
    for law in laws[(laws.suite == fit["family"]) & (fit["loss_measure"] == "held_out")].itertuples():
        limit = law.E + law.B / tokens**law.beta
        yield {
            **{key: fit[key] for key in POINT_KEYS},
            "kinked": fit["kinked"],
            "parameters_counted": law.parameters_counted,
            "constants": law.constants,
            "tokens": tokens,
            "loss_limit_nats": limit,
            "parameters_needed": _parameters_at(fit["tipping_point"], limit, law),
            "parameters_needed_low": _parameters_at(fit["tipping_point_high"], limit, law),
            "parameters_needed_high": _parameters_at(fit["tipping_point_low"], limit, law),
        }


def _parameters_at(loss: float | None, limit: float, law: Any) -> float | None:
    """Parameters of a model with this loss; None if no finite number reaches it."""
    if loss is None or loss <= limit:
        return None
    parameters = float((law.A / (loss - limit)) ** (1 / law.alpha)) if law.alpha > 0 else np.inf
    return parameters if np.isfinite(parameters) else None
