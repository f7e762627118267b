"""What LM heads of a lower rank cost, beside the full-rank head of the same training (rows of `head_costs`).

Losses are those of the same held-out sequences, so costs are paired. `full_rank_gap` says whether the full-rank head
was trained as far as the pretrained one, without which a cost may be that of too little training. Each head is trained
once: how much another seed of its training would change is in no interval.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lm_saturation.heads.rank_threshold import read_again
from lm_saturation.statistics.intervals import interval, resampled_means

Array = NDArray[np.float64]


def model_cost_rows(bounds: pd.DataFrame, losses: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows of one model, from its `bottleneck_bound` and `head_losses`: every initialisation of its sweep."""
    width, trained = int(bounds["hidden_size"].iloc[0]), bounds[bounds["rank"] == bounds["hidden_size"]]
    factored = losses[losses.factored == 1]
    for (suite, model, name), part in factored.groupby(["suite", "model", "initialisation"], observed=True):
        by_rank = part.pivot_table(index="rank", columns="sequence", values="loss_nats").sort_index()
        gaps = trained[trained.method == name]
        if by_rank.index[-1] != width or gaps.empty:
            continue
        full = {
            f"full_rank_gap{end}": float(gaps[column].iloc[0])
            for end, column in (("", "gap_nats"), ("_low", "gap_low"), ("_high", "gap_high"))
        }
        keys = {"source": "ours", "suite": suite, "model": model, "initialisation": name, "hidden_size": width}
        values = by_rank.to_numpy()
        for row in cost_rows(by_rank.index.to_numpy(), values.mean(1), resampled_means(values)):
            yield {**keys, **row, **full}


def published_cost_rows(published: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows of the paper's own curves, whose pretrained heads are not known; intervals from reading errors."""
    unknown = dict.fromkeys(("full_rank_gap", "full_rank_gap_low", "full_rank_gap_high"))
    for model, part in published.groupby("model", sort=False):
        points = part.sort_values("rank")
        ranks = points["rank"].to_numpy()
        keys = {"source": "paper", "suite": None, "model": model, "initialisation": "normal"}
        for row in cost_rows(ranks, points.loss_nats.to_numpy(), read_again(points)):
            yield {**keys, "hidden_size": int(ranks[-1]), **row, **unknown}


def cost_rows(ranks: NDArray[np.int64], losses: Array, samples: Array) -> Iterator[dict[str, Any]]:
    """A row for each of the ranks (n,) but the last; intervals from samples (s, n) of the losses (n,)."""
    for place, rank in enumerate(ranks[:-1].tolist()):
        low, high = interval(samples[:, place] - samples[:, -1])
        yield {"rank": rank, "cost_nats": float(losses[place] - losses[-1]), "cost_low": low, "cost_high": high}
