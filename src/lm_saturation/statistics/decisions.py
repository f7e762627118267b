"""What estimates with intervals say about a claim: they agree with it, contradict it, or leave it open.

A curve agrees if its 95 % interval lies in what the claim allows, and contradicts it if the interval lies outside; an
interval that holds both says neither. "Equal" is an interval inside a margin that is fixed beforehand, which is two
one-sided tests (Schuirmann 1987, doi:10.1007/BF01068419). Several curves of one claim are several tests: the p-values
of either direction are corrected by Holm (1979, Scandinavian Journal of Statistics 6), which no dependence invalidates.

The p-values are those of the interval: an estimate at its middle, with normal or Student's errors of its width. With
one curve a decision is therefore that of the interval itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from lm_saturation.statistics.intervals import LEVEL

ERROR = (1 - LEVEL) / 2  # of a one-sided test
POWER = 0.8  # below it, a test that finds nothing says nothing (Cohen 1988)

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """Estimates (n,), and the ends of their 95 % intervals.

    Without `low` and `high` the values are exact. An interval with a missing end is unknown: it decides nothing.
    `freedom` are the degrees of freedom where intervals are Student's, as those over seeds.
    """

    names: list[str]
    values: Numbers
    low: Numbers
    high: Numbers
    freedom: Numbers

    @property
    def middle(self) -> Numbers:
        """(n,) the middle of each interval."""
        return (self.low + self.high) / 2

    @property
    def errors(self) -> Numbers:
        """(n,) the standard errors that the intervals have."""
        return (self.high - self.low) / (2 * self.quantiles)

    @property
    def quantiles(self) -> Numbers:
        """(n,) half the width of a 95 % interval, in standard errors."""
        return np.asarray(stats.t.isf(ERROR, self.freedom))

    def above(self, threshold: float) -> Numbers:
        """(n,) one-sided p-values of *it is not above the threshold*; NaN where the interval is unknown."""
        distance, errors = self.middle - threshold, self.errors
        with np.errstate(divide="ignore", invalid="ignore"):
            p = stats.t.sf(distance / errors, self.freedom)
        exact = errors == 0
        return np.where(exact, np.where(distance > 0, 0.0, 1.0), p)

    def below(self, threshold: float) -> Numbers:
        """(n,) one-sided p-values of *it is not below the threshold*; NaN where the interval is unknown."""
        mirrored = Curves(self.names, -self.values, -self.high, -self.low, self.freedom)
        return mirrored.above(-threshold)


@dataclass(frozen=True)
class Decisions:
    """Of each curve (n,): does it agree with the claim, does it contradict it, and the power of its test.

    The power is the chance that it would agree if the claim were true, as the test states it; NaN where it is unknown.
    """

    curves: Curves
    agrees: NDArray[np.bool_]
    contradicts: NDArray[np.bool_]
    power: Numbers


def curves_of(
    rows: pd.DataFrame,
    value: str,
    low: str | None = None,
    high: str | None = None,
    *,
    name: list[str],
    freedom: str | None = None,
) -> Curves:
    """The curves of a table, one a row: the columns of the estimates, of their ends, and those that name the curve."""
    values = rows[value].to_numpy(float)
    first, second = (values if end is None else rows[end].to_numpy(float) for end in (low, high))
    degrees = np.full(len(rows), np.inf) if freedom is None else rows[freedom].to_numpy(float)
    names = [" ".join(map(str, row)) for row in rows[name].itertuples(index=False, name=None)]
    return Curves(names, values, first, second, degrees)


def exact(names: list[str], values: Sequence[float]) -> Curves:
    """Values without an error."""
    numbers = np.asarray(values, float)
    return Curves(names, numbers, numbers, numbers, np.full(len(numbers), np.inf))


def holm(p_values: Numbers) -> Numbers:
    """(n,) p-values of n tests, corrected by Holm; unknown ones (NaN) count as no test and stay unknown."""
    corrected = np.full(len(p_values), np.nan)
    known = np.flatnonzero(~np.isnan(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    scaled = p_values[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1) if len(order) else scaled
    return corrected


def above(curves: Curves, threshold: float, effect: float = 0.0) -> Decisions:
    """Is the value above `threshold`? The contrary is that it lies below `threshold` + `effect`.

    `effect` is the smallest excess that the claim is about: an interval from −.1 to .001 contradicts an increase of
    .005, one from −.1 to .1 nothing. The power is that to see `effect`; without one it is unknown.
    """
    agrees = _significant(curves.above(threshold))
    contradicts = _significant(curves.below(threshold + effect)) & ~agrees
    return Decisions(curves, agrees, contradicts, _power(curves, effect))


def below(curves: Curves, threshold: float, effect: float = 0.0) -> Decisions:
    """As `above`, downwards: is the value below `threshold`, or above `threshold` − `effect`?"""
    agrees = _significant(curves.below(threshold))
    contradicts = _significant(curves.above(threshold - effect)) & ~agrees
    return Decisions(curves, agrees, contradicts, _power(curves, effect))


def within(curves: Curves, low: float, high: float) -> Decisions:
    """Does the value lie in the range? Only an interval inside it agrees, only one outside it contradicts.

    The power is that for a value in the middle of the range.
    """
    agrees = _significant(np.maximum(curves.above(low), curves.below(high)))
    contradicts = _significant(np.minimum(curves.below(low), curves.above(high)))
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = (high - low) / 2 / curves.errors - curves.quantiles
    return Decisions(curves, agrees, contradicts, np.clip(2 * stats.norm.cdf(reach) - 1, 0, 1))


def alike(curves: Curves, margin: float) -> Decisions:
    """Is a difference within ± `margin`: two one-sided tests."""
    return within(curves, -margin, margin)


def decided(curves: Curves, agrees: pd.Series | Numbers, contradicts: pd.Series | Numbers | None = None) -> Decisions:
    """Decisions that were made by another test; without `contradicts`, whatever does not agree contradicts."""
    yes = np.asarray(agrees, dtype=bool)
    no = ~yes if contradicts is None else np.asarray(contradicts, dtype=bool)
    return Decisions(curves, yes, no, np.full(len(yes), np.nan))


def with_power(decisions: Decisions, power: float | Numbers) -> Decisions:
    """The same, where the power of the test is known from a simulation: below POWER nothing contradicts."""
    known = np.broadcast_to(np.asarray(power, float), decisions.agrees.shape)
    return Decisions(decisions.curves, decisions.agrees, decisions.contradicts & ~(known < POWER), known)


def joined(parts: list[Decisions]) -> Decisions:
    """The decisions on several sets of curves, each tested in its own way, as those on one."""
    curves = Curves(
        [name for part in parts for name in part.curves.names],
        np.concatenate([part.curves.values for part in parts]),
        np.concatenate([part.curves.low for part in parts]),
        np.concatenate([part.curves.high for part in parts]),
        np.concatenate([part.curves.freedom for part in parts]),
    )
    return Decisions(
        curves,
        np.concatenate([part.agrees for part in parts]),
        np.concatenate([part.contradicts for part in parts]),
        np.concatenate([part.power for part in parts]),
    )


def _significant(p_values: Numbers) -> NDArray[np.bool_]:
    return holm(p_values) <= ERROR


def _power(curves: Curves, effect: float) -> Numbers:
    """(n,) the chance that an excess of `effect` is seen."""
    if effect == 0:
        return np.full(len(curves.values), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(stats.norm.cdf(effect / curves.errors - curves.quantiles))
