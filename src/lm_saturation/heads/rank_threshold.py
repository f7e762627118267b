"""Is there a threshold? The loss of rank-r heads as a smooth curve against sticks with a kink.

of the rank r        smooth  a + b r^−γ          flat  a + b max(0, log r₀ − log r)   two slopes  … + c log r
of the W-error e     smooth  a + b (1 − e)^−γ    flat  a + b max(0, e − e₀)           two slopes  … + c e

The smooth curve and the stick that is flat on one side have three parameters, the one of two slopes has four; of the
sticks, the one of the lower AIC counts. Each is compared by the difference of Akaike's criteria, and that difference
with its distribution under either kind of curve (parametric bootstrap, Wagenmakers et al. 2004,
doi:10.1016/j.jmp.2003.11.004): `p_smooth` and `p_kinked` say how often the fitted curve, with the noise of its
residuals, gives a difference as far away. Training noise of heads is in those residuals, and in no other interval here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lm_saturation.heads.noticeable import LEVELS, NOTICEABLE
from lm_saturation.statistics.decisions import ERROR
from lm_saturation.statistics.intervals import interval, resampled_means

GRID = 400
EXPONENTS = np.geomspace(0.02, 20, GRID)
MINIMUM_REST = 1e-6  # of 1 − e, where the smooth curve of W-error has its pole

AGAINST = ["rank", "w_error"]
MINIMUM_POINTS = 6  # two more than the parameters of a stick of two slopes
SMOOTH_PARAMETERS, FLAT_PARAMETERS, SLOPED_PARAMETERS = 3, 3, 4
REFITS = 500  # of all curves, for intervals and for each distribution of the difference
READING_SEED = 0  # of the errors of reading the paper's curves
NOISE_SEED = 1  # of residuals drawn around the fitted curves

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Fits:
    """Both kinds of curves through losses (s, n): where each is at its best, and their sums of squares; all (s,)."""

    kink: Array  # r₀ or e₀
    two_slopes: NDArray[np.bool_]  # is the stick sloped on both sides?
    exponent: Array  # γ
    smooth_squares: Array
    kinked_squares: Array
    aic_difference: Array  # AIC of the smooth curve less that of the stick


@dataclass(frozen=True)
class Fit:
    """Both kinds of curves through one set of losses."""

    kink: float  # r₀ or e₀
    two_slopes: bool
    exponent: float  # γ
    aic_difference: float
    smooth_error: float  # root mean square, nats
    kinked_error: float


def fit(against: str, x: Array, losses: Array) -> Fit:
    """Both curves through losses (n,) at ranks or W-errors x (n,): `against` is rank or w_error. n is at least 4."""
    fits = fit_all(against, x, losses[None])
    return Fit(
        kink=float(fits.kink[0]),
        two_slopes=bool(fits.two_slopes[0]),
        exponent=float(fits.exponent[0]),
        aic_difference=float(fits.aic_difference[0]),
        smooth_error=float(np.sqrt(fits.smooth_squares[0] / len(x))),
        kinked_error=float(np.sqrt(fits.kinked_squares[0] / len(x))),
    )


def fit_all(against: str, x: Array, losses: Array) -> Fits:
    """Both curves through each of losses (s, n) at x (n,)."""
    kinks, number = _kinks(against, x), len(x)
    smooth, exponent = _lowest(_smooth(against, x, EXPONENTS), losses)
    flat, at_flat = _lowest(_kinked(against, x, kinks, two_slopes=False), losses)
    sloped, at_sloped = _lowest(_kinked(against, x, kinks, two_slopes=True), losses)
    of_smooth, of_flat, of_sloped = (
        _criterion(squares, number, parameters)
        for squares, parameters in (
            (smooth, SMOOTH_PARAMETERS),
            (flat, FLAT_PARAMETERS),
            (sloped, SLOPED_PARAMETERS),
        )
    )
    two_slopes = of_sloped < of_flat
    return Fits(
        kink=kinks[np.where(two_slopes, at_sloped, at_flat)],
        two_slopes=two_slopes,
        exponent=EXPONENTS[exponent],
        smooth_squares=smooth,
        kinked_squares=np.where(two_slopes, sloped, flat),
        aic_difference=of_smooth - np.minimum(of_flat, of_sloped),
    )


def noticeable_at(against: str, x: Array, losses: Array, level: float = NOTICEABLE) -> float:
    """Where the loss first is `level` nats above that at the full rank, going down in rank; NaN if it never is.

    Linear in log rank or in W-error between two points.
    """
    scale = -np.log(x) if against == "rank" else x
    places = np.argsort(scale)
    scale, excess = scale[places], losses[places] - losses[places][0] - level
    above = np.flatnonzero(excess > 0)
    if not len(above):
        return float("nan")
    right = above[0]
    share = -excess[right - 1] / (excess[right] - excess[right - 1])
    place = scale[right - 1] + share * (scale[right] - scale[right - 1])
    return float(np.exp(-place) if against == "rank" else place)


def curve(against: str, kind: str, fitted: Fit, x: Array, losses: Array, places: Array) -> Array:
    """The values at `places` of the `smooth` or `kinked` curve that was fitted to losses (n,) at x (n,)."""
    at_points, at_places = (_shapes(against, kind, fitted, x, values) for values in (x, places))
    return at_places @ np.linalg.lstsq(at_points, losses, rcond=None)[0]


def kink_test(against: str, x: Array, losses: Array) -> dict[str, float]:
    """p-values of the difference of AIC under the smooth curve and under the stick, and the power to see that stick.

    p_smooth   how often losses of the fitted smooth curve speak as clearly for a kink
    p_kinked   how often losses of the fitted stick speak as clearly against one
    power      how often losses of the fitted stick have a difference beyond 97.5 % of those of the smooth curve
    """
    fitted, rng = fit(against, x, losses), np.random.default_rng(NOISE_SEED)
    sticks = SLOPED_PARAMETERS if fitted.two_slopes else FLAT_PARAMETERS
    differences = {}
    for kind, error, parameters in (
        ("smooth", fitted.smooth_error, SMOOTH_PARAMETERS),
        ("kinked", fitted.kinked_error, sticks),
    ):
        deviation = error * np.sqrt(len(x) / (len(x) - parameters))
        drawn = curve(against, kind, fitted, x, losses, x) + deviation * rng.standard_normal((REFITS, len(x)))
        differences[kind] = fit_all(against, x, drawn).aic_difference
    seen = np.quantile(differences["smooth"], 1 - ERROR)
    return {
        "p_smooth": _share(differences["smooth"] >= fitted.aic_difference),
        "p_kinked": _share(differences["kinked"] <= fitted.aic_difference),
        "power": float((differences["kinked"] > seen).mean()),
    }


def model_threshold_rows(bounds: pd.DataFrame, losses: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows of `head_thresholds` of one model, from its `bottleneck_bound` and `head_losses`.

    Every initialisation of its sweep; intervals over held-out sequences.
    """
    cuts = bounds[(bounds["method"] == "truncated") & (bounds["head"] == "pretrained")]
    w_error, width = cuts.set_index("rank").w_error, int(bounds["hidden_size"].iloc[0])
    factored = losses[losses.factored == 1]
    for (suite, model, name), part in factored.groupby(["suite", "model", "initialisation"], observed=True):
        by_rank = part.pivot_table(index="rank", columns="sequence", values="loss_nats").sort_index()
        if len(by_rank) < MINIMUM_POINTS:
            continue
        values, ranks = by_rank.to_numpy(), by_rank.index.to_numpy(float)
        samples = resampled_means(values, REFITS)
        keys = {"source": "ours", "suite": suite, "model": model, "initialisation": name, "hidden_size": width}
        for against in AGAINST:
            x = ranks if against == "rank" else w_error[by_rank.index].to_numpy()
            yield from ({**keys, **row} for row in threshold_rows(against, x, values.mean(1), samples))


def published_threshold_rows(published: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows of `head_thresholds` of the paper's own curves; intervals from the uncertainty of the reading."""
    for model, part in published.groupby("model", sort=False):
        keys = {"source": "paper", "suite": None, "model": model, "initialisation": "normal"}
        keys["hidden_size"] = int(part["rank"].max())
        for against in AGAINST:
            points = part.dropna(subset=against)
            if len(points) >= MINIMUM_POINTS:
                rows = threshold_rows(
                    against, points[against].to_numpy(float), points.loss_nats.to_numpy(), read_again(points)
                )
                yield from ({**keys, **row} for row in rows)


def read_again(points: pd.DataFrame) -> Array:
    """(REFITS, n) losses of the paper's points, with errors of reading them as large as their uncertainty says."""
    losses, error = points.loss_nats.to_numpy(), points.loss_uncertainty.to_numpy() / 2
    return losses + error * np.random.default_rng(READING_SEED).standard_normal((REFITS, len(losses)))


def threshold_rows(against: str, x: Array, losses: Array, samples: Array) -> Iterator[dict[str, Any]]:
    """A row for each of LEVELS: fits of losses (n,) at x (n,), with intervals from `samples` (samples, n) of losses."""
    fitted, refitted = fit(against, x, losses), fit_all(against, x, samples)
    test = kink_test(against, x, losses)
    columns: dict[str, Any] = {
        "against": against,
        "points": len(x),
        "exponent": fitted.exponent,
        "two_slopes": int(fitted.two_slopes),
        "smooth_error": fitted.smooth_error,
        "kinked_error": fitted.kinked_error,
        **_with_interval("kink", fitted.kink, refitted.kink),
        **_with_interval("aic_difference", fitted.aic_difference, refitted.aic_difference),
        "p_smooth": test["p_smooth"],
        "p_kinked": test["p_kinked"],
        "kink_power": test["power"],
    }
    for level in LEVELS:
        places = np.array([noticeable_at(against, x, sample, level) for sample in samples])
        yield {
            **columns,
            "level_nats": level,
            **_with_interval("noticeable_at", noticeable_at(against, x, losses, level), places),
        }


def _with_interval(name: str, value: float, samples: Array) -> dict[str, float | None]:
    """A value and its interval, each empty if it or any of the samples is unknown."""
    known = bool(np.isfinite(value) and np.isfinite(samples).all())
    low, high = interval(samples) if known else (None, None)
    return {name: value if np.isfinite(value) else None, f"{name}_low": low, f"{name}_high": high}


def _share(found: NDArray[np.bool_]) -> float:
    """The share of bootstrap samples, the data counting as one (Davison and Hinkley 1997, section 4.2)."""
    return float((1 + found.sum()) / (1 + len(found)))


def _criterion(squares: Array, number: int, parameters: int) -> Array:
    """AIC less what curves through the same points have in common; the variance counts in all of them."""
    return number * np.log(np.maximum(squares, np.finfo(float).tiny)) + 2 * parameters


def _shapes(against: str, kind: str, fitted: Fit, x: Array, places: Array) -> Array:
    """(places, k) the columns of a fitted curve, whose scale is set by the points x."""
    if kind == "smooth":
        shapes = _base(against, places, x)[:, None] ** -fitted.exponent
    else:
        shapes = _kinked(against, places, np.array([fitted.kink]), two_slopes=fitted.two_slopes)[0]
    return np.column_stack([np.ones(len(places)), shapes])


def _smooth(against: str, x: Array, exponents: Array) -> Array:
    """(exponents, n, 1) the curves to scale."""
    return (_base(against, x, x) ** -exponents[:, None])[:, :, None]


def _base(against: str, places: Array, x: Array) -> Array:
    """What is raised to −γ, as a share of its lowest value over the points x, so that no power of it overflows."""
    if against == "rank":
        return places / x.min()
    return np.maximum(1 - places, MINIMUM_REST) / max(1 - x.max(), MINIMUM_REST)


def _kinks(against: str, x: Array) -> Array:
    """Where a kink can be: between the second and the last but one of the points, so that both sides are seen."""
    inner = np.sort(x)[1:-1]
    return (np.geomspace if against == "rank" else np.linspace)(inner[0], inner[-1], GRID)


def _kinked(against: str, x: Array, kinks: Array, *, two_slopes: bool) -> Array:
    """(kinks, n, 1 or 2) the curves to scale: a stick that is flat on one side, and what gives that side a slope."""
    bent = np.maximum(0, np.log(kinks[:, None] / x) if against == "rank" else x - kinks[:, None])
    straight = np.broadcast_to(np.log(x) if against == "rank" else x, bent.shape)
    return np.stack([bent, straight], 2) if two_slopes else bent[:, :, None]


def _lowest(curves: Array, losses: Array) -> tuple[Array, NDArray[np.intp]]:
    """(s,) the lowest sum of squares of a + curves · b over the curves (grid, n, k), and which of them gives it."""
    basis = np.linalg.qr(curves - curves.mean(1, keepdims=True))[0]
    target = losses - losses.mean(1, keepdims=True)
    explained = (np.einsum("gnk,sn->gsk", basis, target, optimize=True) ** 2).sum(2)
    best = explained.argmax(0)
    return np.maximum(0.0, (target**2).sum(1) - explained[best, np.arange(len(losses))]), best
