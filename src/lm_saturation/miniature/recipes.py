"""What recipes do over seeds: by how much the held-out loss rises from its minimum to the end, with an interval.

The window of lowest loss is chosen on the other seeds and judged on each: noise between checkpoints, which a constant
learning rate brings, is new in every seed and so finds no rise where there is none. The interval is Student's over
seeds, or the mean of the runs' intervals over documents where that reaches further, at either end.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lm_saturation.io.tables import table_columns
from lm_saturation.statistics.intervals import mean_interval

TEXT = ["corpus", "tokenizer"]
SHAPE = [*TEXT, "vocabulary_size", "hidden_size", "batch_size", "tokens_per_parameter"]
RECIPE = [*SHAPE, "learning_rate", "schedule", "weight_decay", "precision"]


def recipe_rows(runs: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """A row of `table_saturation_search` per recipe, from `saturation_search` and `saturation_search_curves`."""
    by_recipe = dict(iter(curves.groupby(RECIPE, observed=True)))
    rows = [
        {**dict(zip(RECIPE, key, strict=True)), **_row(of_recipe, by_recipe[key])}
        for key, of_recipe in runs.groupby(RECIPE, observed=True, sort=False)
    ]
    return pd.DataFrame(rows, columns=list(table_columns("table_saturation_search")))


def increases(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """(seeds,) by how much each seed's loss ends above the window that the others find best; of (seeds, windows)."""
    others = (losses.sum(0) - losses) / max(1, len(losses) - 1)
    best = others.argmin(1) if len(losses) > 1 else losses.argmin(1)
    return losses[:, -1] - losses[np.arange(len(losses)), best]


def _row(runs: pd.DataFrame, curves: pd.DataFrame) -> dict[str, float]:
    losses = curves.pivot_table(index="seed", columns="window", values="loss_nats").to_numpy()
    mean, low, high = mean_interval(increases(losses)).tolist()
    width, mean_loss = int(runs.hidden_size.iloc[0]), losses.mean(0)
    unigram = curves.pivot_table(index="seed", columns="window", values="loss_on_unigram_text").to_numpy().mean(0)
    return {
        "parameters": int(runs.parameters.iloc[0]),
        "seeds": len(runs),
        "documents": int(runs.documents.iloc[0]),
        "best_share": float((mean_loss.argmin() + 1) / len(mean_loss)),
        "loss_final_nats": float(mean_loss[-1]),
        "increase_nats": mean,
        "increase_low": min(low, float(runs.difference_low.mean())),
        "increase_high": max(high, float(runs.difference_high.mean())),
        "unigram_increase_nats": float(unigram[-1] - unigram.min()),
        "logit_offset": float(runs.logit_offset.mean()),
        "entropy_share": float(runs.singular_entropy.mean() / np.log(width)),
        "entropy_centred_share": float(runs.singular_entropy_centred.mean() / np.log(width)),
        "anisotropy": float(runs.anisotropy.mean()),
        "skipped_updates": int(runs.skipped_updates.sum()),
    }
