"""Rule `head_thresholds`: is there a rank, or a W-error, at which the loss starts to suffer? Ours and the paper's."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scripts.common.intervals import interval, resampled_means
from scripts.common.jobs import job
from scripts.common.tables import arrow_schema, read_table, write_tables
from scripts.heads.thresholds import fit

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

AGAINST = ["rank", "w_error"]
LEAST_POINTS = 6  # twice the parameters of a curve
SAMPLES = 500
SEED = 0


def threshold_columns(
    against: str, x: NDArray[np.float64], losses: NDArray[np.float64], samples: NDArray[np.float64]
) -> dict[str, Any]:
    """Fits of losses (n,) at x (n,), with intervals from as many fits as there are `samples` (samples, n) of losses."""
    own, others = fit(against, x, losses), [fit(against, x, sample) for sample in samples]
    found: dict[str, Any] = {
        "against": against,
        "points": len(x),
        "exponent": own.exponent,
        "smooth_error": own.smooth_error,
        "kinked_error": own.kinked_error,
    }
    for name in ("kink", "criterion", "noticeable"):
        values = np.array([getattr(one, name) for one in others])
        known = np.isfinite(getattr(own, name)) and np.isfinite(values).all()
        low, high = interval(values) if known else (None, None)
        value = getattr(own, name)
        found |= {name: value if np.isfinite(value) else None, f"{name}_low": low, f"{name}_high": high}
    return found


def our_rows(bounds: str, tables: list[str]) -> Iterator[dict[str, Any]]:
    """The rows of one model: every start of its sweep; intervals over held-out sequences."""
    errors = read_table("bottleneck_bound", bounds).to_pandas()
    cuts = errors[(errors["method"] == "truncated") & (errors["head"] == "pretrained")]
    w_error = cuts.set_index("rank").w_error
    width = int(errors["hidden_size"].iloc[0])
    losses = pd.concat([read_table("head_losses", table).to_pandas() for table in tables], ignore_index=True)
    for (suite, model, start), part in losses[losses.factored == 1].groupby(["suite", "model", "start"], observed=True):
        by_rank = part.pivot_table(index="rank", columns="sequence", values="loss_nats").sort_index()
        if len(by_rank) < LEAST_POINTS:
            continue
        values = by_rank.to_numpy()
        samples = resampled_means(values, SAMPLES)
        ranks = by_rank.index.to_numpy(float)
        for against in AGAINST:
            x = ranks if against == "rank" else w_error[by_rank.index].to_numpy()
            keys = {"source": "ours", "suite": suite, "model": model, "start": start, "hidden_size": width}
            yield {**keys, **threshold_columns(against, x, values.mean(1), samples)}


def paper_rows(published: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows of the paper's own curves; intervals from the uncertainty of the reading."""
    rng = np.random.default_rng(SEED)
    for model, part in published.groupby("model", sort=False):
        for against in AGAINST:
            points = part.dropna(subset=against)
            if len(points) < LEAST_POINTS:
                continue
            losses, error = points.loss_nats.to_numpy(), points.loss_uncertainty.to_numpy() / 2
            samples = losses + error * rng.standard_normal((SAMPLES, len(losses)))
            keys = {"source": "paper", "suite": None, "model": model, "start": "normal"}
            width = int(part["rank"].max())
            found = threshold_columns(against, points[against].to_numpy(float), losses, samples)
            yield {**keys, "hidden_size": width, **found}


def main(files: Any, output: str, models: list[dict[str, Any]]) -> None:
    """Fit every curve and write the table; `models` gives the tables of each of ours."""
    rows = [row for model in models for row in our_rows(model["bounds"], model["losses"])]
    rows += paper_rows(pd.read_csv(files.published))
    names = arrow_schema("head_thresholds").names
    write_tables("head_thresholds", output, [{name: [row[name] for row in rows] for name in names}])


def by_model(bounds: list[str], losses: list[str]) -> list[dict[str, Any]]:
    """The tables of each model: those of its folder."""
    return [
        {"bounds": one, "losses": [path for path in losses if path.startswith(one.rsplit("/", 1)[0] + "/")]}
        for one in bounds
    ]


if __name__ == "__main__":
    with job(snakemake):
        files = snakemake.input
        main(files, snakemake.output[0], by_model(list(files.bounds), list(files.losses)))
