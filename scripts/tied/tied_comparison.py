"""Rule `tied_comparison`: how fast and how far models with each remedy learn, and by how much remedies differ."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from scripts.common.intervals import mean_interval
from scripts.common.jobs import job
from scripts.common.tables import arrow_schema, read_table, write_tables

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

PLAIN, SCALED = "plain", "scaled"
BUDGET_SHARE = 0.5  # of the plain models' steps, after which their mean loss is the loss to be reached
QUANTITIES = ("steps_to_loss", "final_nats")


def loss_to_reach(training: pd.DataFrame) -> float | None:
    """The mean held-out loss of plain models at the first step measured from half of their budget on.

    None if there are no plain models.
    """
    plain = training[training.remedy == PLAIN]
    late = plain[plain.step >= BUDGET_SHARE * plain.step.max()]
    return float(late[late.step == late.step.min()].loss_nats.mean()) if len(plain) else None


def steps_to(steps: NDArray[np.int64], losses: NDArray[np.float64], threshold: float) -> float | None:
    """Where a loss first is as low as the threshold, interpolated on a line over log(1 + step); None if nowhere."""
    reached = np.flatnonzero(losses <= threshold)
    if not len(reached):
        return None
    last = int(reached[0])
    if last == 0:
        return float(steps[0])
    before, after = np.log1p(steps[last - 1 : last + 1])
    share = (losses[last - 1] - threshold) / (losses[last - 1] - losses[last])
    return float(np.expm1(before + share * (after - before)))


def run_rows(training: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The row of every remedy and seed of the table `tied_runs`."""
    threshold = loss_to_reach(training)
    for (remedy, seed), run in training.groupby(["remedy", "seed"], sort=False):
        ordered = run.sort_values("step")
        first, last = ordered.iloc[0], ordered.iloc[-1]
        reached = None
        if threshold is not None:
            reached = steps_to(ordered.step.to_numpy(), ordered.loss_nats.to_numpy(), threshold)
        yield {
            "remedy": remedy,
            "seed": int(seed),
            "parameters": int(last.parameters),
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
    """What remedies are compared with: the mean of which of them."""
    groups = {
        PLAIN: [PLAIN],
        SCALED: [SCALED],
        "others": [name for name in remedies if name not in (PLAIN, SCALED)],  # which the page finds alike
        "all": remedies,
    }
    return {name: group for name, group in groups.items() if group and set(group) <= set(remedies)}


def comparison_rows(runs: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The row of every quantity, remedy and reference of the table `tied_comparison`; differences of equal seeds.

    A model that does not reach the loss counts with its last step, which is too few.
    """
    for quantity in QUANTITIES if len(runs) else ():
        if runs[quantity].isna().all():
            continue
        values = runs.assign(value=runs[quantity].fillna(runs.steps), missing=runs[quantity].isna())
        table = values.pivot_table(index="seed", columns="remedy", values="value", sort=False)
        missing = values.groupby("remedy").missing.sum()
        for reference, group in references(list(table)).items():
            against = table[group].mean(axis=1)
            for remedy in table:
                if group == [remedy]:
                    continue
                difference, low, high = mean_interval((table[remedy] - against).to_numpy())
                yield {
                    "quantity": quantity,
                    "remedy": remedy,
                    "reference": reference,
                    "seeds": len(table),
                    "reference_mean": float(against.mean()),
                    "difference": float(difference),
                    "low": None if np.isnan(low) else float(low),
                    "high": None if np.isnan(high) else float(high),
                    "unreached": int(missing[[*{remedy, *group}]].sum()),
                }


def main(paths: list[str], output: Any) -> None:
    """Compare the models of all jobs, and write both tables; without any, empty ones."""
    tables = [arrow_schema("tied_training").empty_table(), *(read_table("tied_training", path) for path in paths)]
    training = pa.concat_tables(tables, unify_dictionaries=True).to_pandas().astype({"remedy": str})
    runs = list(run_rows(training))
    compared = list(comparison_rows(pd.DataFrame(runs)))
    for table, path, rows in (("tied_runs", output.runs, runs), ("tied_comparison", output.comparison, compared)):
        write_tables(table, path, [{name: [row[name] for row in rows] for name in arrow_schema(table).names}])


if __name__ == "__main__":
    with job(snakemake):
        main(list(snakemake.input), snakemake.output)
