"""The table `table_head_or_trunk`: which share of a narrow model's excess loss its head explains, one row a rank."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lm_saturation.claims.base import HERE, SHIPPED
from lm_saturation.head_or_trunk.kinds import LOW_RANK, NARROW, WIDE
from lm_saturation.head_or_trunk.share import SEEDS, Share, share_of
from lm_saturation.io.tables import read_csv, read_frames, table_columns
from lm_saturation.statistics.intervals import mean_interval

KEYS = ["source", "suite", "model"]
RUN = ["hidden_size", "vocabulary_size", "step", "tokens", "sample_tokens"]  # the same of all trainings of a wide model
Row = dict[str, Any]


def all_trainings(here: Sequence[str | Path], shipped: str | Path) -> pd.DataFrame:
    """Rows of `head_or_trunk` of this run and of the shipped ones, and their source."""
    parts = [read_frames("head_or_trunk", here).assign(source=HERE)]
    parts.append(read_csv("head_or_trunk", shipped).assign(source=SHIPPED))
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def table_head_or_trunk(trainings: pd.DataFrame) -> pd.DataFrame:
    """A row per source, wide model and rank below its width, from rows of `head_or_trunk` and their source.

    Seeds without all of the trainings are left out.
    """
    rows = [
        {**dict(zip(KEYS, key, strict=True)), **row}
        for key, own in trainings.groupby(KEYS, sort=False, observed=True)
        for row in _rank_rows(own)
    ]
    return pd.DataFrame(rows, columns=list(table_columns("table_head_or_trunk")))


def _rank_rows(own: pd.DataFrame) -> Iterator[Row]:
    """The rows of one wide model."""
    compared = own[own.chooses_rate == 0]
    losses = compared.pivot_table(index="seed", columns=["cell", "rank"], values="loss_nats").dropna()
    wide = compared[compared.cell == WIDE].iloc[0]
    reference = losses[WIDE, wide.hidden_size].to_numpy()
    control = losses.get((LOW_RANK, wide.hidden_size))
    for rank in sorted(losses.get(NARROW, pd.DataFrame()).columns):
        low_rank, narrow = losses[LOW_RANK, rank].to_numpy(), losses[NARROW, rank].to_numpy()
        yield {
            "rank": rank,
            **wide[RUN].to_dict(),
            "seeds": len(losses),
            "freedom": len(losses) - 1,
            "wide_nats": reference.mean(),
            "low_rank_nats": low_rank.mean(),
            "narrow_nats": narrow.mean(),
            **_difference("head_cost", low_rank - reference),
            **_difference("excess", narrow - reference),
            **_share("head_share", share_of(low_rank - reference, narrow - reference)),
            **({} if control is None else _control(control.to_numpy(), reference, low_rank, narrow)),
            **_rates(own, {WIDE: wide.hidden_size, LOW_RANK: rank, NARROW: rank}),
        }


def _control(control: np.ndarray, reference: np.ndarray, low_rank: np.ndarray, narrow: np.ndarray) -> Row:
    """What W = AB costs at full rank, and the share with that model in place of the wide one."""
    share = share_of(low_rank - control, narrow - control)
    return {**_difference("factoring_cost", control - reference), **_share("share_of_factored", share)}


def _difference(name: str, values: np.ndarray) -> Row:
    """The mean over seeds and its t-interval."""
    mean, low, high = mean_interval(values)
    ends = (low, high) if len(values) >= SEEDS else (None, None)
    return {f"{name}_nats": mean, f"{name}_low": ends[0], f"{name}_high": ends[1]}


def _share(name: str, share: Share) -> Row:
    return {name: share.value, f"{name}_low": share.low, f"{name}_high": share.high}


def _rates(own: pd.DataFrame, kinds: dict[str, int]) -> Row:
    """The learning rate of each kind of model, and how many of these were the lowest or highest of several tried."""
    rates: Row = {}
    at_edge = 0
    for cell, rank in kinds.items():
        rows = own[(own.cell == cell) & (own["rank"] == rank)]
        tried = rows[rows.chooses_rate == 1].rate_factor
        used = rows[rows.chooses_rate == 0].iloc[0]
        rates[f"{cell}_rate"] = used.learning_rate
        at_edge += len(tried) > 1 and used.rate_factor in (tried.min(), tried.max())
    return {**rates, "rates_at_edge": at_edge}
