"""The claims of Su Jianlin 2023 about shared embeddings, judged on the tables of `table_tied`."""

from typing import Any

import numpy as np
import pandas as pd

from scripts.report.verdicts import Claim, verdict_row

PAGE = "kexue.fm 9698"
WITHIN = 0.01  # of the loss: a formula for it that holds
ABOVE = 1.0  # nats over log n: "far above"
NEAR = 0.05  # share of log n: "near"
USUAL = 0.02  # σ of BERT and GPT-2
ALIKE_STEPS = 0.1  # share of the steps: "alike"
ALIKE_LOSS = 0.01  # share of the loss: "alike"
START = "figure_tied_initial_loss"
TRAINED = "figure_tied_convergence, tied_comparison"

FORMULA = Claim(
    "tied_initial_loss_formula",
    f"The initial loss is about log(e^(dσ) + n − 1) (here: within {WITHIN:.0%} at every σ, for each n and d)",
    "log(e^(dσ) + n − 1)",
    "greatest error, share of the loss",
    START,
    PAGE,
)
MOMENT = Claim(
    "tied_inner_product_moment",
    "At σ² = 1/d the inner product of two embeddings has variance 1/d³ (here: the power of d; a curve a vocabulary)",
    "-3; a misprint for -1",
    "power of d",
    "tied_moments",
    PAGE,
)
HIGH = Claim(
    "tied_models_start_high",
    f"A model with a shared embedding starts far above log n (here: by {ABOVE:g} nat, models of transformers with "
    "layers, at their own initialisation)",
    "about dσ, if residual branches start near zero",
    "nats above log n",
    "figure_tied_initial_loss, tied_models",
    PAGE,
)
REMEDIED = Claim(
    "tied_remedies_start_low",
    f"Every remedy brings the initial loss to log n (here: within {NEAR:.0%} of it at σ = {USUAL}, the largest "
    "vocabulary and width, where plain tying is further off; a curve a remedy)",
    "log n",
    "share of log n above it",
    START,
    PAGE,
)
SLOWEST = Claim(
    "scaled_embedding_converges_slowest",
    "With σ = (log n)/d models converge slowest (here: they take more steps than with each other remedy, to "
    "the loss that plain ones have after half of their training)",
    "slowest",
    "steps more",
    TRAINED,
    PAGE,
)
ALIKE = Claim(
    "other_remedies_converge_alike",
    f"The other remedies converge alike (here: steps to that loss within {ALIKE_STEPS:.0%} of their mean)",
    "alike",
    "share of the mean steps",
    TRAINED,
    PAGE,
)
QUALITY = Claim(
    "remedies_end_alike",
    f"With all of them the final quality is alike (here: losses within {ALIKE_LOSS:.0%} of their mean)",
    "alike",
    "share of the mean loss",
    TRAINED,
    PAGE,
)
NO_GAIN = Claim(
    "remedies_gain_nothing",
    "No remedy is better in the end than plain tying (here: the interval of the final loss does not lie below plain's)",
    "none",
    "nats below plain tying",
    TRAINED,
    PAGE,
)


def tied_rows(
    losses: pd.DataFrame, moments: pd.DataFrame, models: pd.DataFrame, comparison: pd.DataFrame
) -> list[dict[str, Any]]:
    """Every claim of this file."""
    return [
        _formula(losses),
        _moment(moments),
        _high(models),
        _remedied(losses),
        *_trained(comparison),
    ]


def _formula(losses: pd.DataFrame) -> dict[str, Any]:
    """A curve agrees if the formula lies within WITHIN of the loss, or its interval, at every σ."""
    plain = losses[losses.remedy == "plain"]
    off, noise = (plain.page_nats - plain.loss_nats).abs() / plain.loss_nats, 2 * plain.loss_error / plain.loss_nats
    errors = plain.assign(value=off, low=(off - noise).clip(lower=0), high=off + noise)
    worst = errors.groupby(["vocabulary_size", "width"])[["value", "low", "high"]].max()
    return verdict_row(FORMULA, worst.value, worst.low <= WITHIN, worst.low, worst.high)


def _moment(moments: pd.DataFrame) -> dict[str, Any]:
    """The slope of the logarithm against log d, by least squares, with the error that its points have."""
    values, errors = [], []
    for _, rows in moments[moments.moment == "inner_product_square"].groupby("vocabulary_size"):
        if len(rows) > 1:
            places = np.log(rows.width) - np.log(rows.width).mean()
            weights = places / (places**2).sum()
            values.append(float(weights @ np.log(rows.value)))
            errors.append(1.96 * float(np.sqrt((weights**2) @ (rows.error / rows.value) ** 2)))
    value, error = pd.Series(values, dtype=float), pd.Series(errors, dtype=float)
    low, high = value - error, value + error
    return verdict_row(MOMENT, value, (low <= -3) & (high >= -3), low, high)


def _high(models: pd.DataFrame) -> dict[str, Any]:
    tied = models[(models.tied == 1) & (models.layers > 0)]
    value, error = tied.loss_nats - tied.log_vocabulary_nats, 2 * tied.loss_error
    return verdict_row(HIGH, value, value + error >= ABOVE, value - error, value + error)


def _remedied(losses: pd.DataFrame) -> dict[str, Any]:
    """Tested only where the grid holds the usual σ, and plain tying is further off than NEAR."""
    at = (losses.vocabulary_size == losses.vocabulary_size.max()) & (losses.width == losses.width.max())
    own = losses[at & ((losses.sigma == USUAL) | (losses.remedy == "scaled"))]
    above = (own.loss_nats - own.log_vocabulary_nats) / own.log_vocabulary_nats
    error = 2 * own.loss_error / own.log_vocabulary_nats
    plain, needed = own.remedy == "plain", bool((above[own.remedy == "plain"] > NEAR).any())
    value, error = above[~plain & needed], error[~plain & needed]
    return verdict_row(REMEDIED, value, value - error <= NEAR, value - error, value + error)


def _trained(comparison: pd.DataFrame) -> list[dict[str, Any]]:
    """The claims about training; one seed has no interval, so it tests nothing."""
    known = comparison[comparison.low.notna()]
    steps, final = known[known.quantity == "steps_to_loss"], known[known.quantity == "final_nats"]
    slower = _against(steps, "scaled")
    slower = slower[slower.remedy != "plain"]
    others = _against(steps, "others")
    others = others[~others.remedy.isin(["plain", "scaled"])]
    everyone, plain = _against(final, "all"), _against(final, "plain")
    return [
        verdict_row(SLOWEST, -slower.difference, slower.high < 0, -slower.high, -slower.low),
        _within(ALIKE, others, ALIKE_STEPS),
        _within(QUALITY, everyone, ALIKE_LOSS),
        verdict_row(NO_GAIN, -plain.difference, plain.high >= 0, -plain.high, -plain.low),
    ]


def _against(rows: pd.DataFrame, reference: str) -> pd.DataFrame:
    return rows[rows.reference == reference]


def _within(claim: Claim, rows: pd.DataFrame, share: float) -> dict[str, Any]:
    """A curve agrees if the interval of its difference, over the mean, meets the range."""
    value, low, high = (rows[column] / rows.reference_mean for column in ("difference", "low", "high"))
    return verdict_row(claim, value, (low <= share) & (high >= -share), low, high)
