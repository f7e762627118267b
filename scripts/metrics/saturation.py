"""Rule `saturation`: when and by how much the models of a suite saturate, and whether onsets come in the same order.

Saturation of the loss is what arXiv 2404.07647 (section 3, Fig 1a) calls so: the held-out loss has a minimum and rises
again before training ends. Onsets of the other metrics are those that one reads off its Figs 3 and 5; docs/method.md
has all definitions. Checkpoints marked as duplicates are left out, for nobody knows at which step they were saved.
"""

from collections.abc import Iterable, Iterator
from itertools import combinations, permutations
from math import factorial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from scripts.common.jobs import InputError, job
from scripts.common.rise import rise
from scripts.common.tables import read_table, table_columns, write_rows
from scripts.metrics.onsets import Numbers, anisotropy_saturation, entropy_saturation, saturation_row

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

SEED = 0
ANISOTROPY = ["anisotropy", "anisotropy_centred"]
ENTROPY = ["singular_entropy", "singular_entropy_centred"]
EXACT_MODELS = 8  # all orders of so many models are tried, of more a random sample
ORDERS = 100_000


def loss_saturation(steps: NDArray[np.int64], losses: Numbers, tokens: Numbers) -> dict[str, Any]:
    """The loss saturates if its rise from the best step to the final one has an interval above 0.

    The interval is free of the choice of the best step (`scripts/common/rise.py`), best and difference are as seen.
    """
    means = losses @ tokens / tokens.sum()
    best = int(means.argmin())
    low, high = rise(losses, tokens) if len(steps) > 1 else (None, None)
    saturates = low is not None and low > 0
    return saturation_row(steps, means, best, steps[best] if saturates else None) | {
        "difference_low": low,
        "difference_high": high,
    }


def model_rows(metrics: pd.DataFrame, losses: pd.DataFrame) -> list[dict[str, Any]]:
    """One row a metric of one model, from its checkpoint_metrics and sequence_losses; none if all are duplicates.

    Raises InputError if its checkpoints were not measured on the same sequences.
    """
    metrics = metrics[metrics.duplicate_of.isna()].sort_values("step")
    if metrics.empty:
        return []
    steps = metrics.step.to_numpy()
    matrix, tokens = _loss_matrix(losses, metrics)
    rows = {"cross_entropy": loss_saturation(steps, matrix, tokens)}
    rows |= {name: anisotropy_saturation(steps, metrics[name].to_numpy()) for name in ANISOTROPY}
    width = int(metrics.hidden_size.iloc[0])
    rows |= {name: entropy_saturation(steps, metrics[name].to_numpy(), width) for name in ENTROPY}
    names = {key: metrics[key].iloc[0] for key in ("suite", "model", "parameters")}
    return [{**names, "metric": metric, **row} for metric, row in rows.items()]


def _loss_matrix(losses: pd.DataFrame, metrics: pd.DataFrame) -> tuple[Numbers, Numbers]:
    """(steps, sequences) the losses of the checkpoints in `metrics`, and the tokens of each sequence."""
    table = losses[losses.step.isin(metrics.step)].pivot_table(index="step", columns="sequence", values="loss_nats")
    tokens = losses.groupby("sequence").tokens.agg(["min", "max"])
    same = len(table) == len(metrics) and not table.isna().any(axis=None) and (tokens["min"] == tokens["max"]).all()
    if not same or (metrics.sample_sha256 != metrics.sample_sha256.iloc[0]).any():
        name = "/".join(metrics[["suite", "model"]].iloc[0])
        raise InputError(
            f"metrics of {name}: its checkpoints were not all measured on the same sequences; "
            "delete the tables of that model and run again"
        )
    return table.to_numpy(), tokens["min"].to_numpy(float)


def onset_correlation(onsets: Numbers, others: Numbers) -> tuple[float | None, float | None]:
    """Spearman's rank correlation of two onsets over models, and the two-sided p-value of a permutation test.

    The test is exact up to EXACT_MODELS models: every order of the second is tried. (None, None) below three models or
    where all onsets are the same.
    """
    count = len(onsets)
    first, second = (stats.rankdata(values) - (count + 1) / 2 for values in (onsets, others))
    scale = np.sqrt((first @ first) * (second @ second))
    if count < 3 or scale == 0:
        return None, None
    found = float(np.clip(first @ second / scale, -1, 1))
    if count <= EXACT_MODELS:
        orders = np.array(list(permutations(range(count))))
        drawn = 0
    else:
        random = np.random.default_rng(SEED)
        orders = random.permuted(np.tile(np.arange(count), (ORDERS, 1)), axis=1)
        drawn = 1  # the order found is one of those tried
    extreme = int((np.abs(second[orders] @ first) / scale >= abs(found) - 1e-12).sum())
    return found, (extreme + drawn) / ((factorial(count) if not drawn else ORDERS) + drawn)


def correlation_rows(saturation: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """One row for each suite and pair of metrics, over the models in which both set in."""
    for suite, group in saturation.groupby("suite", sort=False):
        onsets = group.pivot_table(index="model", columns="metric", values="onset_step", dropna=False)
        for metric, other in combinations(group.metric.unique(), 2):
            both = onsets[[metric, other]].dropna().to_numpy(float)
            spearman, p_value = onset_correlation(*both.T)
            names = {"suite": suite, "metric": metric, "other": other}
            yield {**names, "models": len(both), "spearman": spearman, "p_value": p_value}


def read_models(table: str, paths: Iterable[str]) -> pd.DataFrame:
    """The table of that name, of all models and spans, as one frame."""
    frames = [read_table(table, path).to_pandas() for path in paths]
    return pd.concat([frame.astype({"suite": str, "model": str}) for frame in frames], ignore_index=True)


if __name__ == "__main__":
    with job(snakemake):
        metrics = read_models("checkpoint_metrics", snakemake.input.metrics)
        losses = dict(iter(read_models("sequence_losses", snakemake.input.losses).groupby("model")))
        rows = [
            row for model, group in metrics.groupby("model", sort=False) for row in model_rows(group, losses[model])
        ]
        write_rows("saturation", snakemake.output.saturation, rows)
        pairs = list(correlation_rows(pd.DataFrame(rows, columns=list(table_columns("saturation")))))
        write_rows("onset_correlation", snakemake.output.correlation, pairs)
