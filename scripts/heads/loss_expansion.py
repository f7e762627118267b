"""Rule `loss_expansion`: Lemma 5.1 in numbers, on random problems and at their optima."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scripts.common.intervals import interval, resampled_means
from scripts.common.jobs import job, progress
from scripts.common.tables import write_tables
from scripts.heads.expansion import optimum, order, random_problem

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

CASES = 40
STATES, SIZE, WIDTH = 400, 8, 4
EPSILONS = np.geomspace(1e-4, 1e-2, 9)
SEED = 0


def changes(cases: int = CASES) -> list[dict[str, Any]]:
    """A row for each case, each place (`random` head or `optimum`) and each ε."""
    rows = []
    for case in progress(range(cases), "cases"):
        rng = np.random.default_rng([SEED, case])
        problem, other = random_problem(rng, STATES, SIZE, WIDTH)
        direction = rng.standard_normal(other.shape)
        direction /= np.linalg.norm(direction)
        for place, head in (("random", other), ("optimum", optimum(problem, other))):
            slope, loss = float((problem.gradient(head) * direction).sum()), problem.loss(head)
            for epsilon in EPSILONS.tolist():
                change = problem.loss(head + epsilon * direction) - loss
                first = epsilon * slope
                rows.append(
                    {
                        "place": place,
                        "case": case,
                        "epsilon": epsilon,
                        "change_nats": change,
                        "first_order": first,
                        "remainder_nats": change - first,
                    }
                )
    return rows


def orders(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The order of convergence of the change and of what is left without its first-order term, over the cases."""
    frame, found = pd.DataFrame(rows), []
    for place, part in frame.groupby("place", sort=False):
        for quantity in ("change_nats", "remainder_nats"):
            slopes = np.array([order(one.epsilon, one[quantity]) for _, one in part.groupby("case")])
            low, high = interval(resampled_means(slopes))
            found.append(
                {
                    "place": str(place),
                    "quantity": quantity.removesuffix("_nats"),
                    "cases": len(slopes),
                    "order": slopes.mean(),
                    "order_low": low,
                    "order_high": high,
                    "largest_first_order": (part.first_order / part.epsilon).abs().max(),
                }
            )
    return found


def columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Rows as columns."""
    return {name: [row[name] for row in rows] for name in rows[0]}


if __name__ == "__main__":
    with job(snakemake):
        found = changes()
        write_tables("loss_expansion", snakemake.output.changes, [columns(found)])
        write_tables("loss_expansion_orders", snakemake.output.orders, [columns(orders(found))])
