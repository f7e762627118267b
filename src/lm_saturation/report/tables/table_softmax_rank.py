"""The table `table_softmax_rank`: what a softmax needs, in numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from lm_saturation.io.tables import read_csv, read_frames
from lm_saturation.softmax_rank.thresholds import GAP, LENIENT, STRICT

SAMPLE = ["corpus", "tokenizer", "order", "sample_size"]
KEYS = [*SAMPLE, "seed", "method", "estimate", "weighting", "min_count", "norm_bound"]
SIZES = ["contexts", "types", "one_hot_contexts", "ngram_share", "entropy_nats", "unigram_gap_nats"]
GAPS = {"lenient": LENIENT, "softmax": GAP, "strict": STRICT}


def table_softmax_rank(ranks: pd.DataFrame, summaries: pd.DataFrame) -> pd.DataFrame:
    """A row per text, method, weighting and bound, from `softmax_rank` and, for all contexts, `ngram_summary`."""
    groups = ranks.sort_values("dimension").groupby(KEYS, sort=False, dropna=False)
    rows = [dict(zip(KEYS, keys, strict=True)) | _needed(group) for keys, group in groups]
    table = pd.DataFrame(rows, columns=[*KEYS, *SIZES, *_columns()])
    spectra = [*SAMPLE, "seed", "weighting", "min_count", "halving_dimension"]
    known = table.merge(summaries[spectra], how="left", on=spectra[:-1], suffixes=("", "_of_all"))
    whole = known.method == "construction"
    return table.assign(halving_dimension=known.halving_dimension.where(~whole, known.halving_dimension_of_all))


def table_softmax_rank_transformers(paths: Sequence[str]) -> pd.DataFrame:
    """The table `softmax_rank_transformers` of this run, or the one that is shipped, which is a CSV."""
    if paths and paths[0].endswith(".csv"):
        return read_csv("softmax_rank_transformers", paths[0])
    return read_frames("softmax_rank_transformers", paths)


def _columns() -> list[str]:
    ends = [f"{name}_{end}" for name in GAPS for end in ("dimension", "below")]
    return [*ends, "halving_dimension", "norm_product", "last_gain_nats"]


def _needed(group: pd.DataFrame) -> dict[str, Any]:
    """What one search or construction says; its dimensions rise."""
    first = group.iloc[0]
    ends = {name: _suffices(group, gap) for name, gap in GAPS.items()}
    found = {f"{name}_{end}": value for name, pair in ends.items() for end, value in pair.items()}
    at_gap = group[group.dimension == found["softmax_dimension"]].norm_product
    return {
        **{name: first[name] for name in [*SIZES, "halving_dimension"]},
        **found,
        "norm_product": at_gap.iloc[0] if len(at_gap) else np.nan,
        "last_gain_nats": group.last_gain_nats.astype(float).max(),
    }


def _suffices(group: pd.DataFrame, gap: float) -> dict[str, float]:
    """The least dimension tried whose gap is small enough, and the largest one below it."""
    enough = group.dimension[group.gap_nats <= gap]
    dimension = float(enough.min()) if len(enough) else np.nan
    below = group.dimension[~(group.dimension >= dimension)]
    return {"dimension": dimension, "below": float(below.max()) if len(below) else 0.0}
