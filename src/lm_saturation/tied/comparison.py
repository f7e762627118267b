"""Comparison of remedies: how fast models with each of them train, and what loss they end with."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lm_saturation.statistics.intervals import mean_interval

PLAIN, SCALED = "plain", "scaled"
BUDGET_SHARE = 0.5  # of the plain models' steps, after which their mean loss is the loss to be reached
FLAT = 0.02  # of the final loss: what twice the training may change, if its end is to be judged
SETTING = ["tokenizer", "residual_scale"]  # what remedies are compared in
QUANTITIES = ("steps_to_loss", "final_nats")

Setting = tuple[str, float]


def loss_to_reach(training: pd.DataFrame) -> float | None:
    """The mean held-out loss of the plain models at the first measured step in the second half of their training.

    None if there are no plain models.
    """
    plain = training[training.remedy == PLAIN]
    late = plain[plain.step >= BUDGET_SHARE * plain.step.max()]
    return float(late[late.step == late.step.min()].loss_nats.mean()) if len(plain) else None


def steps_to(steps: NDArray[np.int64], losses: NDArray[np.float64], threshold: float) -> float | None:
    """The step at which the loss first reaches the threshold, by linear interpolation over log(1 + step); else None."""
    reached = np.flatnonzero(losses <= threshold)
    if not len(reached):
        return None
    first = int(reached[0])
    if first == 0:
        return float(steps[0])
    before, after = np.log1p(steps[first - 1 : first + 1])
    share = (losses[first - 1] - threshold) / (losses[first - 1] - losses[first])
    return float(np.expm1(before + share * (after - before)))


def run_rows(
    training: pd.DataFrame, rates: pd.DataFrame, known: Mapping[Setting, float] = MappingProxyType({})
) -> Iterator[dict[str, Any]]:
    """The rows of the table `tied_runs`, one per setting, remedy and seed, of `tied_training` and `tied_rates`.

    `known` has the losses to be reached, by setting, of those without plain models.
    """
    for setting, own in training.groupby(SETTING, sort=False, observed=True):
        threshold = loss_to_reach(own) or known.get(setting)
        tried = rates[(rates[SETTING] == list(setting)).all(axis=1) & (rates.is_best == 1)]
        for (remedy, seed), run in own.groupby(["remedy", "seed"], sort=False, observed=True):
            keys = {**dict(zip(SETTING, setting, strict=True)), "remedy": remedy, "seed": int(seed)}
            row = _run_row(run.sort_values("step"), threshold)
            yield {**keys, **row, "doubling_gain": doubling_gain(tried, remedy, seed, row["final_nats"])}


def doubling_gain(tried: pd.DataFrame, remedy: str, seed: int, final: float) -> float | None:
    """By what share of its final loss a training ends below one of half the steps; None where there is none.

    Both have the same seed and peak rate and a schedule of their own, so that what a low rate at the end gives is in
    both. The second half of one training would not do: the fall of the rate alone lowers the loss by several percent.
    `tried` has the best row of `tied_rates` of each remedy.
    """
    half = tried[(tried.remedy == remedy) & (tried.seed == seed)]
    return float((half.loss_nats.iloc[0] - final) / final) if len(half) else None


def _run_row(run: pd.DataFrame, threshold: float | None) -> dict[str, Any]:
    """A row of the table `tied_runs` without its keys, of a run in order of steps."""
    first, last = run.iloc[0], run.iloc[-1]
    reached = None if threshold is None else steps_to(run.step.to_numpy(), run.loss_nats.to_numpy(), threshold)
    return {
        "vocabulary_size": int(last.vocabulary_size),
        "width": int(last.width),
        "parameters": int(last.parameters),
        "learning_rate": float(last.learning_rate),
        "sigma": float(last.sigma),
        "expected_nats": float(last.expected_nats),
        "initial_nats": float(first.loss_nats),
        "threshold_nats": threshold,
        "steps": int(last.step),
        "steps_to_loss": reached,
        "final_nats": float(last.loss_nats),
        "anisotropy": float(last.anisotropy),
        "singular_entropy": float(last.singular_entropy),
        "singular_entropy_centred": float(last.singular_entropy_centred),
    }


def references(remedies: list[str]) -> dict[str, list[str]]:
    """The references that remedies are compared with: by name, the remedies whose mean is taken."""
    groups = {
        PLAIN: [PLAIN],
        SCALED: [SCALED],
        "others": [name for name in remedies if name not in (PLAIN, SCALED)],  # alike in Su (2023)
        "all": remedies,
    }
    return {name: group for name, group in groups.items() if group and set(group) <= set(remedies)}


def comparison_rows(runs: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows of the table `tied_comparison`, one per setting, quantity, remedy and reference; seeds are paired.

    A model that does not reach the loss counts with its last step, which is too few.
    """
    for setting, own in runs.groupby(SETTING, sort=False, observed=True) if len(runs) else ():
        keys = {**dict(zip(SETTING, setting, strict=True)), "vocabulary_size": int(own.vocabulary_size.iloc[0])}
        for quantity in QUANTITIES:
            if not own[quantity].isna().all():
                yield from ({**keys, "quantity": quantity, **row} for row in _compared(own, quantity))


def _compared(runs: pd.DataFrame, quantity: str) -> Iterator[dict[str, Any]]:
    """The rows of a setting and a quantity, without these keys."""
    values = runs.assign(value=runs[quantity].fillna(runs.steps), missing=runs[quantity].isna())
    table = values.pivot_table(index="seed", columns="remedy", values="value", sort=False, observed=True)
    unreached = values.groupby("remedy", observed=True).missing.sum()
    gains = values.groupby("remedy", observed=True).doubling_gain.mean().abs()
    for reference, group in references(list(table)).items():
        for remedy in table:
            if group != [remedy]:
                yield {
                    "remedy": remedy,
                    "reference": reference,
                    **_difference(table[remedy], table[group].mean(axis=1)),
                    "unreached": int(unreached[remedy]),
                    "reference_unreached": int(unreached[group].sum()),
                    "doubling_gain": _largest(gains[[remedy, *group]]),
                }


def _largest(gains: pd.Series) -> float | None:
    """The largest of them; None unless all are known."""
    return None if gains.isna().any() else float(gains.max())


def _difference(values: pd.Series, reference: pd.Series) -> dict[str, Any]:
    """The difference of a remedy from a reference, both by seed, with its 95 % interval."""
    difference, low, high = mean_interval((values - reference).to_numpy())
    return {
        "seeds": len(values),
        "reference_mean": float(reference.mean()),
        "difference": float(difference),
        "low": None if np.isnan(low) else float(low),
        "high": None if np.isnan(high) else float(high),
    }
