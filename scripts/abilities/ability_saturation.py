"""Rule `ability_saturation`: which models lose which ability before training ends (Table 1 of arXiv 2404.07647).

One row for each model, task, metric and number of shots. Published evaluations come with standard errors, ours with
every item: the interval of the loss is from `rise_of_estimates` for the first and from `rise`, paired over items, for
the second. Perplexities and other likelihoods are compared by their logarithm.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scripts.abilities.choice_metrics import item_values
from scripts.common.jobs import job
from scripts.common.rise import rise, rise_of_estimates
from scripts.common.tables import read_table, write_rows

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

KEYS = ["suite", "model", "task", "num_fewshot", "metric"]
LOGARITHMIC = {"perplexity": 1.0, "word_perplexity": 1.0, "byte_perplexity": 1.0, "bits_per_byte": np.log(2)}
FALLING = [*LOGARITHMIC, "brier"]  # metrics of which less is better
LEAST_STEPS = 4  # checkpoints, to see a curve in
WARM_UP = 0.05  # share of the steps before which nothing is taken for a model's best: there it guesses, if well by luck


def worse_is_more(metric: str, values: Any) -> Any:
    """The metric so that less is better: a perplexity's logarithm (nats), the negative of an accuracy."""
    values = np.asarray(values, float)
    if metric in LOGARITHMIC and metric != "bits_per_byte":
        return np.log(values)
    return values if metric in FALLING else -values


def error_of(metric: str, values: Any, errors: Any) -> Any:
    """Standard errors (steps,) on that scale; of a metric without any, what its neighbours in training tell.

    The second differences of a smooth curve with errors s have variance 6 s²; their median size is robust.
    """
    values, errors = np.asarray(values, float), np.asarray(errors, float)
    if np.isnan(errors).any():
        scale = worse_is_more(metric, values)
        second = np.abs(np.diff(scale, 2))
        return np.full(len(values), np.median(second) / 0.6745 / np.sqrt(6)) if len(second) else errors
    return errors / values if metric in LOGARITHMIC and metric != "bits_per_byte" else errors


def saturation_row(curve: pd.DataFrame, items: pd.DataFrame | None) -> dict[str, Any]:
    """Best and final checkpoint of one curve (rows of ability_scores), and how much is lost between them.

    items (steps, items), if known, are the values of each item, by step.
    """
    metric = str(curve.metric.iloc[0])
    scale = worse_is_more(metric, curve.value)
    best, last = int(scale.argmin()), len(curve) - 1
    low, high, source = None, None, "none"
    if len(curve) >= LEAST_STEPS:
        if items is not None:
            low, high = rise(worse_is_more(metric, items.to_numpy()), np.ones(items.shape[1]))
            source = "items"
        else:
            errors = error_of(metric, curve.value, curve.stderr.astype(float))
            low, high = rise_of_estimates(scale, errors)
            source = "neighbours" if curve.stderr.isna().any() else "published"
    return {
        **{key: curve[key].iloc[0] for key in KEYS},
        **{key: curve[key].iloc[0] for key in ("parameters", "hidden_size")},
        "checkpoints": len(curve),
        "best_step": int(curve.step.iloc[best]),
        "best": float(curve.value.iloc[best]),
        "best_error": _none(curve.stderr.iloc[best]),
        "final_step": int(curve.step.iloc[last]),
        "final": float(curve.value.iloc[last]),
        "final_error": _none(curve.stderr.iloc[last]),
        "lost": float(scale[last] - scale[best]),
        "lost_low": low,
        "lost_high": high,
        "errors_from": source,
        "saturates": int(low is not None and low > 0),
        "chance": _none(curve.chance.iloc[last]),
    }


def _none(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


def saturation_rows(scores: pd.DataFrame, samples: pd.DataFrame) -> list[dict[str, Any]]:
    """One row for each curve of `ability_scores`; samples are rows of `ability_samples` for those measured here."""
    known = dict(iter(samples.groupby(KEYS[:4]))) if len(samples) else {}
    rows = []
    for names, curve in scores.groupby(KEYS, sort=False):
        curve = curve[curve.step >= WARM_UP * curve.step.max()].sort_values("step")
        own = known.get(names[:4])
        items = None if own is None else item_values(own[own.step.isin(curve.step)], str(names[4]))
        rows.append(saturation_row(curve, items))
    return rows


def read_scores(paths: Iterable[str], table: str = "ability_scores") -> pd.DataFrame:
    """The rows of some tables as one frame, keys as plain text."""
    frames = [read_table(table, path).to_pandas() for path in paths]
    texts = {name: str for name in ("suite", "model", "task", "metric") if frames and name in frames[0]}
    return pd.concat([frame.astype(texts) for frame in frames], ignore_index=True) if frames else pd.DataFrame()


if __name__ == "__main__":
    with job(snakemake):
        files = snakemake.input
        rows = saturation_rows(
            read_scores([files.published, *files.scores]), read_scores(files.samples, "ability_samples")
        )
        write_rows("ability_saturation", snakemake.output[0], rows)
