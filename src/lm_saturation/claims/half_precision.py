"""Questions of this project about training in half precision, and about heads kept from what softmax does not see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lm_saturation.claims.base import HERE, SHIPPED, Cut, question
from lm_saturation.claims.needs import HALF_PRECISION, SHIPPED_TRAININGS

if TYPE_CHECKING:
    import pandas as pd

    from lm_saturation.statistics.decisions import Curves, Decisions

MARGIN = Cut(
    0.01,
    "a fifth of the paper's larger increases of the loss of small models, .05 to .07 nats: a smaller change cannot "
    "explain them",
)
SHOWN = ("figure_half_precision", "half_precision", "offset_training")
TRAINED = {HERE: "run", SHIPPED: "shipped"}  # as the table calls them
PAIR = ["suite", "model", "precision", "head"]
UNIT = "nats/token, against the same seed"


@question(
    "Does training in half precision leave the loss as it is? (here: with a plain head, the loss differs by no more "
    "than the cut from that of the same seed trained in float32)",
    unit=UNIT,
    shown_in=SHOWN,
    needs=HALF_PRECISION,
    cut=MARGIN,
)
def half_precision_keeps_the_loss(half_precision: pd.DataFrame, source: str, cut: float) -> Decisions:
    """Each model and precision."""
    from lm_saturation.statistics.decisions import alike

    return alike(_curves(_pairs(half_precision, source, "precision", ["plain"])), cut)


@question(
    "Does centring the head while training help in half precision? (here: the loss is lower by more than the cut "
    "than with a plain head of the same seed and precision)",
    unit=UNIT,
    shown_in=SHOWN,
    needs=HALF_PRECISION,
    cut=MARGIN,
)
def centring_helps_in_half_precision(half_precision: pd.DataFrame, source: str, cut: float) -> Decisions:
    """Each model and precision but float32, in which a centred head learns what a plain one does."""
    pairs = _pairs(half_precision, source, "head", ["centred"])
    return _gains(_curves(pairs[pairs.precision != "float32"]), cut)


@question(
    "Do z-loss and coupled second moments help? (here: the loss is lower by more than the cut than with a plain "
    "head of the same seed and precision)",
    unit=UNIT,
    shown_in=SHOWN,
    needs=HALF_PRECISION,
    cut=MARGIN,
)
def other_heads_help(half_precision: pd.DataFrame, source: str, cut: float) -> Decisions:
    """Each model, precision and of both heads."""
    return _gains(_curves(_pairs(half_precision, source, "head", ["z_loss", "coupled"])), cut)


for _asked in (half_precision_keeps_the_loss, centring_helps_in_half_precision, other_heads_help):
    _asked.alike_on(SHIPPED, SHIPPED_TRAININGS)


def _gains(curves: Curves, cut: float) -> Decisions:
    """Is the loss lower by more than the cut? The power is that to see that a head which changes nothing gains less."""
    from dataclasses import replace

    from lm_saturation.statistics.decisions import above, below

    return replace(below(curves, -cut), power=above(curves, -cut, cut).power)


def _pairs(rows: pd.DataFrame, source: str, compared: str, heads: list[str]) -> pd.DataFrame:
    """The pairs that have an interval, which takes two seeds."""
    chosen = (rows.source == TRAINED[source]) & (rows.compared == compared) & rows["head"].isin(heads)
    return rows[chosen & rows.difference_low.notna()]


def _curves(pairs: pd.DataFrame) -> Curves:
    from lm_saturation.statistics.decisions import curves_of

    pairs = pairs.assign(freedom=pairs.seeds - 1)
    ends = ("difference_nats", "difference_low", "difference_high")
    return curves_of(pairs, *ends, name=PAIR, freedom="freedom")
