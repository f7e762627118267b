"""The scaling law through final losses: by every way to count parameters, with constants held fixed or all free.

arXiv 2404.07647, section 3: A and α are fitted on models from 410M parameters up, with B, β and E of Hoffmann et al.
held fixed. Here also with other published constants, and with all five constants free.
"""

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from lm_saturation.io.logs import log
from lm_saturation.scaling.bootstrap import MINIMUM_SIZES, Noise, drawn_losses, estimate_noise, refits
from lm_saturation.scaling.law import CONSTANTS, NAMES, Law, fit, make_points, residuals
from lm_saturation.scaling.parameter_counts import COUNTS, parameters
from lm_saturation.statistics.intervals import interval

POINTS_PER_CONSTANT = 4  # at least, where all five constants are free


@dataclass(frozen=True)
class Variant:
    """One fit: how N is counted, and which constants are held fixed."""

    count: str  # of COUNTS
    constants: str  # of CONSTANTS; `free` where none is held
    fixed: dict[str, float]

    def fitted(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows that it is fitted to: final checkpoints of large models, or all past warm-up if none is held."""
        if self.fixed:
            return rows[(rows.checkpoint == "final") & (rows.large == 1)]
        return rows[rows.past_warm_up == 1]

    def obstacle(self, rows: pd.DataFrame) -> str | None:
        """Why it cannot be fitted to these rows, if it cannot."""
        minimum = 2 if self.fixed else POINTS_PER_CONSTANT * len(NAMES)
        if parameters(rows, self.count).nunique() < MINIMUM_SIZES or len(rows) < minimum:
            return f"too few models for {self.count}, {self.constants}"
        if self.fixed and (rows.loss_nats <= self._infinite_model_loss(rows.tokens)).any():
            return f"the constants {self.constants} leave no loss to N"
        return None

    def _infinite_model_loss(self, tokens: pd.Series) -> pd.Series:
        """B/T^β + E."""
        return self.fixed["B"] / tokens ** self.fixed["beta"] + self.fixed["E"]


@dataclass(frozen=True)
class LawFit:
    """The law of a variant, the noise about it, and laws of losses drawn with that noise.

    There are none where the models are too few to know their noise: the data cannot tell.
    """

    law: Law
    objective: float
    rms_residual: float  # of log losses
    noise: Noise
    laws: list[Law]


def variants() -> list[Variant]:
    """The paper's fit first; then other constants and other counts; then five free constants by every count."""
    held = [
        Variant(count, name, {key: asdict(law)[key] for key in ("B", "beta", "E")})
        for count in COUNTS
        for name, law in CONSTANTS.items()
    ]
    return held + [Variant(count, "free", {}) for count in COUNTS]


def fit_variants(rows: pd.DataFrame, samples: int, pool: Executor) -> Iterator[tuple[Variant, LawFit]]:
    """Every variant that the rows of one source or suite allow, fitted; the log says why others are passed over."""
    source, suite = rows.source.iloc[0], rows.suite.iloc[0]
    fits: dict[tuple[tuple[float, ...], str], LawFit] = {}
    for variant in variants():
        fitted = variant.fitted(rows)
        if obstacle := variant.obstacle(fitted):
            log.warning("%s %s: %s", source, suite, obstacle)
            continue
        same = (tuple(parameters(fitted, variant.count)), variant.constants)  # nominal sizes may be the total ones
        if same not in fits:
            fits[same] = _fit_variant(variant, fitted, samples, pool, suite or "paper")
        yield variant, fits[same]


def _fit_variant(variant: Variant, rows: pd.DataFrame, samples: int, pool: Executor, name: str) -> LawFit:
    points = make_points(parameters(rows, variant.count), rows.tokens, rows.loss_nats)
    law, objective = fit(points, variant.fixed)
    models = pd.factorize(rows.model)[0]
    noise, laws = estimate_noise(law, points, models, variant.fixed), []
    if noise.freedom:
        drawn = drawn_losses(law, points, models, noise, samples)
        laws = refits(points, variant.fixed, law, drawn, pool, f"{name} {variant.count} {variant.constants}")
    rms_residual = float(np.sqrt((residuals(law, points) ** 2).mean()))
    return LawFit(law, objective, rms_residual, noise, laws)


def constant_columns(fitted: LawFit) -> dict[str, Any]:
    """The five constants with their intervals, the objective, and what is left of the losses."""
    columns: dict[str, Any] = {}
    for name in NAMES:
        low, high = interval(np.array([getattr(law, name) for law in fitted.laws]))
        columns |= {name: getattr(fitted.law, name), f"{name}_low": low, f"{name}_high": high}
    noise = fitted.noise
    return {
        **columns,
        "objective": fitted.objective,
        "rms_residual": fitted.rms_residual,
        "model_noise": noise.model if noise.freedom else None,
        "point_noise": noise.point,
        "freedom": noise.freedom,
    }
