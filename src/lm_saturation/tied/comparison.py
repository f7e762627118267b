"""Comparison of remedies: how fast models with each of them train, and what loss they end with."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lm_saturation.statistics.intervals import mean_interval

PLAIN, SCALED = "plain", "scaled"
BUDGET_SHARE = 0.5  # of the plain models' steps, after which their mean loss is the loss to be reached
FLAT = 0.02  # of the final loss: what the second half of a training may lower it by, if its end is to be judged
QUANTITIES = ("steps_to_loss", "final_nats")


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


def second_half_fall(steps: NDArray[np.int64], losses: NDArray[np.float64]) -> float:
    """By what share of the final loss the second half of the steps lowers the loss; below 0 where it rises.

    The loss at half of the steps is interpolated over log(1 + step). The last tenth would not do: the learning rate
    is so low by then that every training looks finished.
    """
    halfway = np.interp(math.log1p(steps[-1] / 2), np.log1p(steps), losses)
    return float((halfway - losses[-1]) / losses[-1])


def run_rows(training: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows of the table `tied_runs`, one per remedy and seed."""
    threshold = loss_to_reach(training)
    for (remedy, seed), run in training.groupby(["remedy", "seed"], sort=False):
        yield {"remedy": remedy, "seed": int(seed), **_run_row(run.sort_values("step"), threshold)}


def _run_row(run: pd.DataFrame, threshold: float | None) -> dict[str, Any]:
    """A row of the table `tied_runs` without its keys, of a run in order of steps."""
    first, last = run.iloc[0], run.iloc[-1]
    reached = None if threshold is None else steps_to(run.step.to_numpy(), run.loss_nats.to_numpy(), threshold)
    return {
        "parameters": int(last.parameters),
        "sigma": float(last.sigma),
        "expected_nats": float(last.expected_nats),
        "initial_nats": float(first.loss_nats),
        "threshold_nats": threshold,
        "steps": int(last.step),
        "steps_to_loss": reached,
        "final_nats": float(last.loss_nats),
        "second_half_fall": second_half_fall(run.step.to_numpy(), run.loss_nats.to_numpy()),
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
    """The rows of the table `tied_comparison`, one per quantity, remedy and reference; seeds are paired.

    A model that does not reach the loss counts with its last step, which is too few.
    """
    for quantity in QUANTITIES if len(runs) else ():
        if runs[quantity].isna().all():
            continue
        values = runs.assign(value=runs[quantity].fillna(runs.steps), missing=runs[quantity].isna())
        table = values.pivot_table(index="seed", columns="remedy", values="value", sort=False)
        missing, falls = (values.groupby("remedy")[name] for name in ("missing", "second_half_fall"))
        unreached, fall = missing.sum(), falls.mean().abs()
        for reference, group in references(list(table)).items():
            for remedy in table:
                if group != [remedy]:
                    keys = {"quantity": quantity, "remedy": remedy, "reference": reference}
                    compared = {
                        "unreached": int(unreached[remedy]),
                        "reference_unreached": int(unreached[group].sum()),
                        "second_half_fall": float(fall[[remedy, *group]].max()),
                    }
                    yield {**keys, **_difference(table[remedy], table[group].mean(axis=1)), **compared}


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
